"""A small pipeline that always has something to show: it starts every two minutes and competes for two slots of a pool."""
import random
import time
from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, task

with DAG("demo_etl", schedule=timedelta(minutes=2), start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False,
         max_active_runs=3, tags=["demo"], default_args={"owner": "demo"}):

    @task
    def extract():
        time.sleep(10)
        return list(range(6))

    @task(pool="demo", retries=2, retry_delay=timedelta(seconds=30))
    def transform(part):
        time.sleep(random.uniform(15, 45))
        if random.random() < 0.25:
            raise RuntimeError(f"part {part} was not complete")
        return part

    @task(trigger_rule="all_done")
    def load(parts):
        time.sleep(10)

    load(transform.expand(part=extract()))
