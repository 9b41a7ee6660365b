-- Gives the DAGs of dags.py $HISTORY finished task instances, 1,530 unfinished ones in 600 running runs, and those without
-- a state of these and of 50 queued runs. All but the size of the history is the same each time: what looks random is a hash.
set local session_replication_role = replica; -- no foreign keys are checked, row by row
set local synchronous_commit = off;
set local work_mem = '256MB';
set local maintenance_work_mem = '512MB';
truncate task_instance, task_instance_history, dag_run, rendered_task_instance_fields, trigger, import_error, log, job cascade;

create function pg_temp.chance(text) returns float language sql immutable as
	$$ select ('x' || substr(md5($1), 1, 7))::bit(28)::int / 268435456.0 $$;
create function pg_temp.uuid7(timestamptz, text) returns uuid language sql immutable as
	$$ select (lpad(to_hex((extract(epoch from $1) * 1000)::bigint), 12, '0') || '7' || substr(md5($2), 1, 3) || '8' || substr(md5($2), 4, 15))::uuid $$;

insert into slot_pool (pool, slots, include_deferred)
	select 'pool_' || lpad(i::text, 2, '0'), 64, false from generate_series(0, 19) i on conflict do nothing;
insert into import_error (timestamp, filename, bundle_name, stacktrace)
	select now(), 'broken_' || i || '.py', 'dags-folder', repeat('Traceback (most recent call last): ', 20) from generate_series(1, 10) i;
insert into job (state, job_type, start_date, latest_heartbeat, hostname, unixname)
	select 'running', kind, now() - interval '1 day', now(), kind, 'airflow' from unnest(array['SchedulerJob', 'TriggererJob', 'DagProcessorJob']) kind;

update dag set is_paused = false where dag_id like 'bench%';
create temp table d on commit drop as
	select dag_id, (array_agg(id))[1] as version, substr(dag_id, 7)::int as i from dag_version where dag_id like 'bench%' group by 1;

-- Each DAG has run once a day, for three days at least. The oldest runs may have no task instances any more: airflow db clean leaves such, too.
create temp table r on commit drop as
	select dag_id, i, version, 'done' as kind, n, now() - interval '2 hours' - n / 1000 * interval '1 day' - i * interval '85 seconds' as due
		from d, lateral generate_series(i, greatest(3000, ($HISTORY - 5700) / 20) - 1, 1000) n
	union all select dag_id, i, version, 'running', i - 400, now() - interval '61 minutes' + i * interval '1 second' from d where i >= 400
	union all select dag_id, i, version, 'queued', 0, now() - interval '5 minutes' + i * interval '1 second' from d where i between 350 and 399;
alter table r add run_id text, add chance float;
update r set run_id = 'scheduled__' || to_char(due at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'), chance = pg_temp.chance(kind || n);

insert into dag_run (dag_id, run_id, run_type, state, queued_at, logical_date, run_after, start_date, end_date, data_interval_start, data_interval_end,
		last_scheduling_decision, log_template_id, created_at, updated_at, triggered_by, conf, created_dag_version_id)
	select dag_id, run_id, 'scheduled', case when kind <> 'done' then kind when chance < 0.08 then 'failed' else 'success' end, due, due, due,
		case when kind <> 'queued' then due + interval '1 second' end, case when kind = 'done' then due + interval '40 minutes' end, due, due,
		due, (select max(id) from log_template), due, due + interval '40 minutes', 'TIMETABLE', '{}', version
	from r order by due;

create temp table t on commit drop as
	select r.*, k, 'task_' || lpad(k::text, 2, '0') as task_id, pg_temp.chance(dag_id || run_id || k) as x,
		kind = 'running' and k >= n % 20 and k < n % 20 + 3 as moves, -- of the others of its run the first n % 20 have finished
		kind = 'done' or kind = 'running' and k < n % 20 as finished, null::text as state
	from r, generate_series(0, 19) k where kind <> 'done' or n < ($HISTORY - 5700) / 20;
update t set state = case when x < 0.92 then 'success' when x < 0.95 then 'failed' when x < 0.99 then 'skipped' else 'upstream_failed' end where finished;
update t set state = case when o % 153 < 40 then 'running' when o % 153 < 60 then 'queued' when o % 153 < 120 then 'scheduled' when o % 153 < 135 then 'deferred'
		when o % 153 < 145 then 'up_for_retry' else 'up_for_reschedule' end
	from (select dag_id, run_id, k, row_number() over (order by md5(dag_id || k)) - 1 as o from t where moves) u
	where u.o < 1530 and (t.dag_id, t.run_id, t.k) = (u.dag_id, u.run_id, u.k);
insert into trigger (id, classpath, kwargs, created_date, triggerer_id)
	select row_number() over (order by dag_id, k), 'airflow.providers.standard.triggers.temporal.DateTimeTrigger', '{}', now(), 1 from t where state = 'deferred';

create temp table secondary on commit drop as select indexname, indexdef from pg_indexes
	where schemaname = 'public' and tablename = 'task_instance' and indexname not in (select conname from pg_constraint);
do $$ declare i record; begin for i in select * from secondary loop execute 'drop index ' || i.indexname; end loop; end $$;
insert into task_instance (id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries, hostname, unixname, pool,
		pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, scheduled_dttm, executor_config, updated_at, task_display_name,
		dag_version_id, trigger_id, next_method)
	select pg_temp.uuid7(due, dag_id || run_id || k), task_id, dag_id, run_id, -1,
		case when began then ended - took * interval '1 second' end, case when finished or state like 'up_for_re%' then ended end,
		case when finished or state like 'up_for_re%' then took end, state, case when state is null then 0 when state = 'up_for_retry' or x < 0.04 then 2 else 1 end, 2,
		case when began then 'airflow-worker-' || i % 40 || '.airflow-worker.airflow.svc.cluster.local' else '' end, 'airflow', 'pool_' || lpad((i % 20)::text, 2, '0'),
		1, 'default', 20 - k, 'BashOperator', 'BashOperator', case when state <> 'scheduled' then ended - (took + 5) * interval '1 second' end,
		case when state is not null then ended - (took + 8) * interval '1 second' end, '\x80057d942e', ended, task_id, version,
		case when state = 'deferred' then row_number() over (partition by state order by dag_id, k) end, case when state = 'deferred' then 'execute_complete' end
	from (select *, coalesce(state not in ('queued', 'scheduled', 'skipped', 'upstream_failed'), false) as began, 1 + 60 * x as took,
		case when kind = 'done' then due + (k + x) * interval '2 minutes' when finished then due + k * interval '2 minutes' else now() - x * interval '5 minutes' end as ended
		from t) u
	order by due;
do $$ declare i record; begin for i in select * from secondary loop execute i.indexdef; end loop; end $$;

insert into task_instance_history (task_instance_id, task_id, dag_id, run_id, map_index, try_number, start_date, end_date, duration, state, max_tries, hostname,
		unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, task_display_name, dag_version_id)
	select pg_temp.uuid7(start_date, id::text), task_id, dag_id, run_id, map_index, 1, start_date - interval '10 minutes', start_date - interval '6 minutes', 240, 'failed',
		max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, task_display_name, dag_version_id
	from task_instance where try_number = 2 and start_date is not null;
-- Airflow keeps the rendered fields of the newest 30 runs of a task.
insert into rendered_task_instance_fields (dag_id, task_id, run_id, map_index, rendered_fields)
	select dag_id, task_id, run_id, map_index, json_build_object('bash_command', repeat('select id, name from schema_' || substr(id::text, 1, 8) || '.orders; ', 20))
	from task_instance where start_date > now() - interval '30 days';
