/** What one query of the page was and what came of it. */
export interface LoggedQuery {
  /** What asked: a panel, a variable or an annotation. */
  kind: 'panel' | 'variable' | 'annotation';
  /** The panel's title, or the name of the variable or annotation. */
  owner: string;
  refId: string;
  /** The query as Prometheus got it, all variables replaced. */
  expr: string;
  /** Number of series, or of values for a variable. */
  results: number;
  error?: string;
}

/** The newest outcome of every query of the page; a variable that changes makes its panels ask again. */
export class QueryLog {
  private readonly queries = new Map<string, LoggedQuery>();

  add(query: LoggedQuery): void {
    this.queries.set([query.kind, query.owner, query.refId].join('\n'), query);
  }

  all(): LoggedQuery[] {
    return [...this.queries.values()];
  }
}
