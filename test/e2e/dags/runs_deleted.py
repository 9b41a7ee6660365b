"""An Airflow DAG that the tests delete, with this file."""
from datetime import datetime, timezone

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.empty import EmptyOperator

with DAG("runs_deleted", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, tags=["runs"]):
    EmptyOperator(task_id="empty")
