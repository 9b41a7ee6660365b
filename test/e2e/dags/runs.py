"""DAGs whose runs begin and end in every way, for Airflow 2 and 3. See runs.go for what the tests do with them.

Schedules end in the past, or come to a stop by themselves, so that no run begins when the tests do not want it.
"""
import time
from datetime import datetime, timedelta, timezone

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.python import PythonOperator

MIDNIGHT = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
PAST = datetime(2026, 1, 1, tzinfo=timezone.utc)  # a Thursday
FUTURE = datetime(2099, 1, 1, tzinfo=timezone.utc)
HARVEST = Asset("s3://runs/harvest")


def go_on():
    """Longer than any test, but not for ever: a task that lost its scheduler ends by itself."""
    time.sleep(3600)


def fail():
    raise RuntimeError("fails, on purpose")


def fail_on_mondays(logical_date):
    if logical_date.weekday() == 0:
        raise RuntimeError("fails, on purpose")


def fail_if_asked(dag_run):
    if (dag_run.conf or {}).get("fail"):
        raise RuntimeError("fails, on purpose")


def runs(dag_id, schedule=None, start_date=PAST, catchup=False, owner="runs", tags=("runs",), **kwargs):
    return DAG(dag_id, schedule=schedule, start_date=start_date, catchup=catchup, default_args={"owner": owner},
               tags=list(tags), **kwargs)


# some runs at once, and the next one is due at midnight
with runs("runs_daily", "0 0 * * *", start_date=MIDNIGHT - timedelta(days=3), catchup=True, tags=["zulu", "alpha"], owner="zoe"):
    EmptyOperator(task_id="one") >> EmptyOperator(task_id="two", owner="adam")

# three runs at once, the last of which fails; then the schedule is over
with runs("runs_weekdays", "0 0 * * 1-5", catchup=True, end_date=datetime(2026, 1, 5, tzinfo=timezone.utc), tags=[]):
    PythonOperator(task_id="fails_on_mondays", python_callable=fail_on_mondays)

# the tests pause it after its first run
with runs("runs_minutely", "* * * * *"):
    EmptyOperator(task_id="empty")

# no run is due, but the tests make some of the past
with runs("runs_backfilled", "0 0 * * *", end_date=datetime(2026, 1, 2, tzinfo=timezone.utc)):
    EmptyOperator(task_id="empty")

with runs("runs_manual"):
    PythonOperator(task_id="fails_if_asked", python_callable=fail_if_asked)

with runs("runs_produces"):
    EmptyOperator(task_id="harvest", outlets=[HARVEST])

with runs("runs_consumes", [HARVEST]):
    EmptyOperator(task_id="empty")

# the tests pause it after its run has failed
with runs("runs_paused"):
    PythonOperator(task_id="fails", python_callable=fail)

with runs("runs_never", timedelta(days=2, hours=1), start_date=FUTURE):
    EmptyOperator(task_id="empty")

# its first run goes on, and so the second one is not created
with runs("runs_held", "0 0 * * *", start_date=MIDNIGHT - timedelta(days=3), catchup=True, max_active_runs=1):
    PythonOperator(task_id="goes_on", python_callable=go_on)
