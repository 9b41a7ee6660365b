"""A task whose operator has a link for people; the tests trigger the DAG, which is paused, when nobody looks any more."""
from datetime import datetime, timezone

try:
    from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.sensors.external_task import ExternalTaskSensor

with DAG("links", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, is_paused_upon_creation=True):
    ExternalTaskSensor(task_id="linked", external_dag_id="zoo_states")
