"""Airflow 2: the roles and users of the tests. One process for all: each call of the airflow CLI costs 5 to 10 s."""
from airflow.www.app import cached_app

READS = {
    # all that the exporter needs
    "Exporter": ("DAGs", "DAG Runs", "Task Instances", "Pools", "ImportError"),
    # the same without the pools
    "NoPools": ("DAGs", "DAG Runs", "Task Instances", "ImportError"),
    "NoRights": (),
}
USERS = {"admin": "Admin", "viewer": "Viewer", "exporter": "Exporter", "nopools": "NoPools", "nobody": "NoRights"}

app = cached_app()
with app.app_context():
    sm = app.appbuilder.sm
    sm.sync_roles()
    for role, resources in READS.items():
        r = sm.add_role(role)
        for resource in resources:
            sm.add_permission_to_role(r, sm.create_permission("can_read", resource))
    for user, role in USERS.items():
        if not sm.add_user(user, user, user, user + "@example.org", sm.find_role(role), password=user):
            raise SystemExit(f"cannot add user {user}")
