"""The DAG zoo: task instances that stay in every unfinished state, for Airflow 2 and 3.

The tests create the pools, unpause the DAGs and trigger them; see zoo.go for how often, and for the state in which each
task instance comes to rest. Nothing here runs on a schedule.
"""
import os
import time
from datetime import datetime, timedelta, timezone

from airflow.exceptions import AirflowSkipException

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
    from airflow.providers.standard.sensors.python import PythonSensor
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.python import BranchPythonOperator, PythonOperator
    from airflow.sensors.date_time import DateTimeSensorAsync
    from airflow.sensors.python import PythonSensor

try:  # 3.1 and later; parks the task in awaiting_input since 3.3
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except ImportError:
    ApprovalOperator = None


def nap():
    """Longer than any test, but not for ever: a task that lost its scheduler ends by itself."""
    time.sleep(3600)


def fail():
    raise RuntimeError("fails, on purpose")


def fail_once(ti):
    if ti.try_number < 2:
        fail()
    nap()


def fail_before(attempt, ti):
    if ti.try_number < attempt:
        fail()


def skip():
    raise AirflowSkipException("skips itself")


def fail_second(ti):
    if ti.try_number == 2:
        fail()


def skip_second(ti):
    if ti.try_number == 2:
        skip()


def wait_at_gate():
    """Until the tests make the file."""
    gate = os.path.join(os.environ["AIRFLOW_HOME"], "gate")
    for _ in range(3600):
        if os.path.exists(gate):
            return
        time.sleep(0.5)


def say():
    print("hello")


def say_or_wait(wait):
    if wait:
        wait_at_gate()


def fail_then_wait(ti):
    fail_before(2, ti)
    wait_at_gate()


def wait_then_fail():
    wait_at_gate()
    fail()


def zoo(dag_id, **kwargs):
    return DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False,
               default_args={"owner": "zoo"}, tags=["zoo"], **kwargs)


SOON = {"retries": 1, "retry_delay": timedelta(seconds=3)}
STUCK = {"executor": "stuck"}

with zoo("zoo_states"):
    running = PythonOperator(task_id="running", python_callable=nap)
    running >> EmptyOperator(task_id="none")
    PythonOperator(task_id="clear_me", python_callable=nap)  # the tests turn it into `restarting`
    PythonOperator(task_id="second_attempt", python_callable=fail_once, **SOON)
    PythonOperator(task_id="queued", python_callable=say, **STUCK)
    PythonOperator(task_id="up_for_retry", python_callable=fail, retries=3, retry_delay=timedelta(days=1))
    PythonSensor(task_id="up_for_reschedule", python_callable=lambda: False, mode="reschedule", poke_interval=36000,
                 timeout=10 * 86400)
    DateTimeSensorAsync(task_id="deferred", target_time="2099-01-01T00:00:00+00:00")
    if ApprovalOperator:
        ApprovalOperator(task_id="awaiting_input", subject="feed the animals?")
    EmptyOperator(task_id="success")
    PythonOperator(task_id="failed", python_callable=fail) >> EmptyOperator(task_id="upstream_failed")

# Pools: zoo_one 1 slot, zoo_zero none, zoo_two 2 slots, deferred ones included, zoo_late 1 slot, zoo_unlimited (Airflow 3)
with zoo("zoo_pools"):
    PythonOperator(task_id="holder", python_callable=nap, pool="zoo_one", priority_weight=10)
    PythonOperator(task_id="waits", python_callable=say, pool="zoo_one")
    PythonOperator(task_id="waits_zero", python_callable=say, pool="zoo_zero")
    DateTimeSensorAsync(task_id="deferred", target_time="2099-01-01T00:00:00+00:00", pool="zoo_two", priority_weight=10)
    PythonOperator(task_id="too_large", python_callable=say, pool="zoo_two", pool_slots=3)
    PythonOperator(task_id="no_such_pool", python_callable=say, pool="zoo_missing")
    PythonOperator(task_id="two_slots", python_callable=nap, pool="zoo_unlimited", pool_slots=2)
    # its first attempt fails; then the other one takes the only slot and it waits for its second
    PythonOperator(task_id="late_first", python_callable=fail_once, pool="zoo_late", priority_weight=10, retries=1,
                   retry_delay=timedelta(seconds=15))
    PythonOperator(task_id="late_second", python_callable=nap, pool="zoo_late")

with zoo("zoo_queues"):
    PythonOperator(task_id="gpu_1", python_callable=say, queue="gpu", **STUCK)
    PythonOperator(task_id="gpu_2", python_callable=say, queue="gpu", pool_slots=4, **STUCK)
    PythonOperator(task_id="io", python_callable=nap, queue='io "ü"')

with zoo("zoo_limits", max_active_tasks=1):
    PythonOperator(task_id="one", python_callable=nap, max_active_tis_per_dag=1)

# one task at a time, and one run: the other one stays queued
with zoo("zoo_turns", max_active_tasks=1, max_active_runs=1):
    PythonOperator(task_id="first", python_callable=nap, priority_weight=10)
    PythonOperator(task_id="second", python_callable=say)

with zoo("zoo_mapped"):
    PythonOperator.partial(task_id="running", python_callable=lambda i: nap()).expand(op_args=[[0], [1]])
    slow = PythonOperator(task_id="list", python_callable=nap)
    PythonOperator.partial(task_id="not_expanded", python_callable=say).expand(op_args=slow.output)

# more rows than any server's page
with zoo("zoo_wide"):
    waits = PythonOperator.partial(task_id="waits", python_callable=say, pool="zoo_zero").expand(op_args=[[i] for i in range(150)])
    waits >> EmptyOperator(task_id="none")

with zoo("zoo_ünïcode_数据"):
    PythonOperator(task_id="täsk_задача", python_callable=nap)
    PythonOperator(task_id="a.b-c_d.é", python_callable=say, **STUCK)

with zoo("zoo_long_" + "d" * 233):
    PythonOperator(task_id="t" * 250, python_callable=say, **STUCK)

with zoo("zoo_paused", is_paused_upon_creation=True):
    PythonOperator(task_id="never", python_callable=say)

# in the second run nothing can start, as the first one failed or goes on; it stays running
with zoo("zoo_past"):
    PythonOperator(task_id="goes_on", python_callable=nap, depends_on_past=True)
    fails = PythonOperator(task_id="fails", python_callable=fail, depends_on_past=True)
    fails >> EmptyOperator(task_id="after")
    PythonOperator.partial(task_id="not_expanded", python_callable=say).expand(op_args=fails.output)
    waits = EmptyOperator(task_id="waits_for_downstream", wait_for_downstream=True)
    waits >> PythonOperator(task_id="downstream", python_callable=fail)

# every way to end; the tests run it while an exporter counts, and clear clear_me after its success
AGAIN = {"retries": 2, "retry_delay": timedelta(seconds=1)}

with zoo("zoo_counts"):
    PythonOperator(task_id="third_attempt", python_callable=fail_before, op_args=[3], **AGAIN)
    PythonOperator(task_id="fails", python_callable=fail, **AGAIN) >> EmptyOperator(task_id="upstream_failed")
    PythonOperator(task_id="clear_me", python_callable=say)
    PythonOperator.partial(task_id="mapped", python_callable=fail_before, **AGAIN).expand(op_args=[[1], [2], [1]])
    branch = BranchPythonOperator(task_id="branch", python_callable=lambda: "taken")
    branch >> [EmptyOperator(task_id="taken"), EmptyOperator(task_id="not_taken")]
    PythonOperator(task_id="skips_itself", python_callable=skip)

# the tests delete the run when it has ended, and make it again
with zoo("zoo_recreated"):
    PythonOperator(task_id="second_attempt", python_callable=fail_before, op_args=[2], **AGAIN)
    PythonOperator(task_id="fails", python_callable=fail) >> EmptyOperator(task_id="upstream_failed")
    PythonOperator(task_id="skips_itself", python_callable=skip)

# some ends at once, some when the tests open the gate: in between an exporter is started
with zoo("zoo_middle"):
    PythonOperator(task_id="succeeds_early", python_callable=say)
    PythonOperator(task_id="fails_early", python_callable=fail, **AGAIN) >> EmptyOperator(task_id="upstream_failed_early")
    PythonOperator(task_id="skips_early", python_callable=skip)
    PythonOperator(task_id="succeeds_late", python_callable=wait_at_gate) >> EmptyOperator(task_id="last")
    PythonOperator(task_id="fails_late", python_callable=wait_then_fail, **AGAIN) >> EmptyOperator(task_id="upstream_failed_late")
    PythonOperator(task_id="retried_early", python_callable=fail_then_wait, **AGAIN)
    PythonOperator.partial(task_id="mapped", python_callable=say_or_wait).expand(op_args=[[False], [True]])

# the second attempt ends otherwise than the first one; the tests clear the whole run when it has ended
with zoo("zoo_again"):
    after = PythonOperator(task_id="after_failure", python_callable=say)
    PythonOperator(task_id="fails_second", python_callable=fail_second) >> [after, EmptyOperator(task_id="empty_after_failure")]
    after >> EmptyOperator(task_id="far_after_failure")
    PythonOperator(task_id="skips_second", python_callable=skip_second) >> PythonOperator(task_id="after_skip", python_callable=say)
    again = BranchPythonOperator(task_id="branch", python_callable=lambda ti: "taken_second" if ti.try_number == 2 else "taken_first")
    again >> [PythonOperator(task_id="taken_first", python_callable=say), PythonOperator(task_id="taken_second", python_callable=say)]
