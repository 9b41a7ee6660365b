"""An Airflow DAG whose file the tests break while it runs."""
import time
from datetime import datetime, timezone

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.python import PythonOperator


def go_on():
    """Longer than any test, but not for ever: a task that lost its scheduler ends by itself."""
    time.sleep(3600)


with DAG("runs_breaks", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, tags=["runs"]):
    PythonOperator(task_id="goes_on", python_callable=go_on)
