/** Number of requests the page has sent and not got an answer to. */
export interface RequestCount {
  pending: number;
}

/** Counts every request of the page, also those of Grafana's packages for icons. */
export function countRequests(): RequestCount {
  const count: RequestCount = { pending: 0 };
  const original = window.fetch;
  window.fetch = async (...request) => {
    count.pending++;
    try {
      return await original(...request);
    } finally {
      count.pending--;
    }
  };
  return count;
}
