"""1,000 DAGs of 20 tasks each, which world.sql gives a history."""
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

for i in range(1000):
    with DAG(
        dag_id=f"bench_{i:04d}", schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, tags=[f"team_{i % 20}"],
        default_args={"owner": f"team_{i % 20}", "retries": 2, "retry_delay": timedelta(minutes=5)},
    ) as dag:
        tasks = [BashOperator(task_id=f"task_{k:02d}", bash_command="true", pool=f"pool_{i % 20:02d}") for k in range(20)]
        tasks[0] >> tasks[1:10] >> tasks[10] >> tasks[11:19] >> tasks[19]
    globals()[dag.dag_id] = dag
