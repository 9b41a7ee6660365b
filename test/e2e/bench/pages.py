"""The exporter that people write: it lists all task instances of Airflow 3 page by page and counts them by DAG, task and state.

pages.py URL USER PASSWORD offset|cursor PAGES makes one collection of so many pages at most, and says as JSON what it took.
"""
import collections
import json
import resource
import sys
import time

import requests
from prometheus_client import CollectorRegistry, Gauge, generate_latest

url, user, password, kind, pages = sys.argv[1:]
session = requests.Session()
token = session.post(url + "/auth/token", json={"username": user, "password": password}).json()["access_token"]
session.headers["Authorization"] = "Bearer " + token
registry = CollectorRegistry()
gauge = Gauge("airflow_task_status", "Task instances.", ["dag_id", "task_id", "state"], registry=registry)
counts = collections.Counter()
rows, params, begin = 0, {"limit": 100}, (time.time(), time.process_time())
if kind == "cursor":
    params |= {"order_by": "id", "cursor": ""}
for _ in range(int(pages)):
    page = session.get(url + "/api/v2/dags/~/dagRuns/~/taskInstances", params=params).json()
    for ti in page["task_instances"]:
        counts[ti["dag_id"], ti["task_id"], ti["state"] or "none"] += 1
    rows += len(page["task_instances"])
    if kind == "cursor":
        params["cursor"] = page["next_cursor"]
    else:
        params["offset"] = rows
    if not page["task_instances"] or kind == "cursor" and not page["next_cursor"]:
        break
for labels, count in counts.items():
    gauge.labels(*labels).set(count)
generate_latest(registry)
json.dump({
    "rows": rows, "series": len(counts), "seconds": time.time() - begin[0], "cpu": time.process_time() - begin[1],
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}, sys.stdout)
