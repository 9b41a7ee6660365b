import { css } from '@emotion/css';
import { locationUtil } from '@grafana/data';
import { sceneGraph } from '@grafana/scenes';
import { Icon, type IconName, LinkButton, ToolbarButton, Tooltip } from '@grafana/ui';
import type { DashboardScene } from './DashboardScene';
import type { DashboardLinkModel } from './model';

interface ResolvedLink {
  title: string;
  href: string;
}

const icons: Record<string, IconName> = {
  'external link': 'external-link-alt',
  dashboard: 'apps',
  question: 'question-circle',
  info: 'info-circle',
  bolt: 'bolt',
  doc: 'file-alt',
  cloud: 'cloud',
};

/** The links at the top of a dashboard. */
export function DashboardLinks({ dashboard }: { dashboard: DashboardScene }) {
  // The links carry the time range and the variables along, so they change with them.
  sceneGraph.getTimeRange(dashboard).useState();
  for (const variable of sceneGraph.getVariables(dashboard).state.variables) {
    // The set of variables never changes, so the hooks are the same at every call.
    variable.useState();
  }
  return (
    <>
      {dashboard.state.links.map((link) => (
        <DashboardLink key={link.title + link.url} link={link} targets={resolveLink(link, dashboard)} />
      ))}
    </>
  );
}

function DashboardLink({ link, targets }: { link: DashboardLinkModel; targets: ResolvedLink[] }) {
  if (link.type === 'dashboards' && link.asDropdown) {
    // The menu is closed in a picture; its targets are kept for the check of the links.
    return (
      <ToolbarButton
        variant="canvas"
        icon="bars"
        data-hrefs={targets.map(({ href }) => href).join('\n')}
        isOpen={false}
      >
        {link.title}
      </ToolbarButton>
    );
  }
  return targets.map(({ title, href }) => (
    <Tooltip key={href} content={link.tooltip || title}>
      <LinkButton variant="secondary" href={href} target={link.targetBlank ? '_blank' : undefined}>
        <Icon name={icons[link.icon ?? ''] ?? (link.type === 'link' ? 'external-link-alt' : 'apps')} />
        <span className={css({ marginLeft: 8 })}>{title}</span>
      </LinkButton>
    </Tooltip>
  ));
}

/** The targets of a link: one, or every other dashboard that has its tags. */
function resolveLink(link: DashboardLinkModel, dashboard: DashboardScene): ResolvedLink[] {
  const resolve = (title: string, url: string): ResolvedLink => ({
    title: sceneGraph.interpolate(dashboard, title, undefined, 'text'),
    href: sceneGraph.interpolate(dashboard, withParameters(locationUtil.assureBaseUrl(url), link)),
  });
  if (link.type === 'link') {
    return [resolve(link.title, link.url ?? '')];
  }
  return dashboard.state.dashboards
    .filter(({ uid, tags }) => uid !== dashboard.state.uid && (link.tags ?? []).every((tag) => tags.includes(tag)))
    .map(({ title, uid }) => resolve(title, `/d/${uid}`));
}

function withParameters(url: string, { keepTime, includeVars }: DashboardLinkModel): string {
  const parameters = [keepTime && '${__url_time_range}', includeVars && '${__all_variables}'].filter(Boolean).join('&');
  return parameters ? url + (url.includes('?') ? '&' : '?') + parameters : url;
}
