import { css } from '@emotion/css';
import { cacheFieldDisplayNames, FieldColorModeId, getFrameDisplayName, type PanelProps } from '@grafana/data';
import type { TableCellHeight, TableSortByFieldState } from '@grafana/schema';
import { Select, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useMemo } from 'react';
import { DataErrorView } from './DataErrorView';
import type { PanelKind } from './register';

interface TableOptions {
  frameIndex: number;
  showHeader: boolean;
  showTypeIcons?: boolean;
  sortBy?: TableSortByFieldState[];
  cellHeight?: TableCellHeight;
  enablePagination?: boolean;
  frozenColumns?: { left?: number };
  maxRowHeight?: number;
}

function TablePanel(props: PanelProps<TableOptions>) {
  const { data, options, fieldConfig, width, height, timeRange, transparent } = props;
  const theme = useTheme2();
  const frames = data.series;

  // TableNG looks columns up by the names that this call computes; Grafana's data pipeline does it elsewhere.
  useMemo(() => cacheFieldDisplayNames(frames), [frames]);

  if (!frames.some((frame) => frame.fields.length > 0)) {
    return <DataErrorView fieldConfig={fieldConfig} />;
  }

  const current = frames[options.frameIndex] ? options.frameIndex : 0;
  // Several frames share one table with a selector below it: mostly a sign of a missing transformation.
  const selectorHeight = theme.spacing.gridSize * (theme.components.height.md + 1);
  return (
    <>
      <TableNG
        data={frames[current]}
        width={width}
        height={frames.length > 1 ? height - selectorHeight : height}
        noHeader={!options.showHeader}
        noValue={fieldConfig.defaults.noValue}
        showTypeIcons={options.showTypeIcons}
        sortBy={options.sortBy}
        cellHeight={options.cellHeight}
        enablePagination={options.enablePagination}
        frozenColumns={options.frozenColumns?.left}
        maxRowHeight={options.maxRowHeight}
        structureRev={data.structureRev}
        fieldConfig={fieldConfig}
        timeRange={timeRange}
        transparent={transparent}
        resizable
      />
      {frames.length > 1 && (
        <div className={css({ paddingTop: theme.spacing(1) })}>
          <Select
            options={frames.map((frame, value) => ({ label: getFrameDisplayName(frame), value }))}
            value={current}
            onChange={() => undefined}
          />
        </div>
      )}
    </>
  );
}

export const tablePanel: PanelKind = {
  id: 'table',
  component: TablePanel as never,
  options: { frameIndex: 0, showHeader: true, showTypeIcons: false, cellHeight: 'sm' },
  colorMode: FieldColorModeId.Thresholds,
  custom: {
    align: 'auto',
    cellOptions: { type: 'auto' },
    inspect: false,
    filterable: undefined,
    'footer.reducers': [],
    'hideFrom.viz': undefined,
    hideHeader: undefined,
    width: undefined,
    minWidth: undefined,
    sortable: undefined,
    styleField: undefined,
    'tooltip.field': undefined,
    'tooltip.placement': undefined,
    wrapHeaderText: undefined,
    wrapText: undefined,
  },
};
