"""An Airflow DAG whose file does not import until the tests make the module that is missing."""
from datetime import datetime, timezone

import runs_module  # noqa: F401

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.empty import EmptyOperator

with DAG("runs_mended", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, tags=["runs"]):
    EmptyOperator(task_id="empty")
