"""An executor that accepts work and never runs it: its task instances stay `queued`."""
from airflow.executors.base_executor import BaseExecutor


class StuckExecutor(BaseExecutor):
    is_local = True
    serve_logs = False

    def start(self):
        pass

    def sync(self):
        pass

    def trigger_tasks(self, open_slots):
        """Hand nothing to a worker, ever."""

    def end(self):
        pass

    def terminate(self):
        pass
