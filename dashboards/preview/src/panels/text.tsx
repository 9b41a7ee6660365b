import { css } from '@emotion/css';
import { FieldColorModeId, type PanelProps, renderTextPanelMarkdown, textUtil } from '@grafana/data';
import type { PanelKind } from './register';

interface TextOptions {
  mode: 'markdown' | 'html' | 'code';
  content: string;
}

function TextPanel({ options, replaceVariables, width, height }: PanelProps<TextOptions>) {
  const content = replaceVariables(options.content, {}, 'text');
  const html = options.mode === 'html' ? textUtil.sanitizeTextPanelContent(content) : renderTextPanelMarkdown(content);
  return (
    <div className={css({ width, height, overflow: 'auto' })}>
      <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />
    </div>
  );
}

export const textPanel: PanelKind = {
  id: 'text',
  component: TextPanel as never,
  options: { mode: 'markdown', content: '' },
  colorMode: FieldColorModeId.Thresholds,
  custom: {},
  withoutData: true,
};
