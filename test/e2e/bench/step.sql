-- A quarter of a minute in the life of Airflow: $MOVES task instances finish, and as many start, are queued and are scheduled;
-- runs in which nothing is left end, and two begin. The number of unfinished ones stays the same. Where nothing is under way
-- something is scheduled first, as a scheduler does: runs in which nothing moves would be asked about as stalled.
create temp table moved on commit drop as
	(select id, 'success' as became from task_instance where state = 'running' order by md5(dag_id || task_id || '$STEP') limit $MOVES)
	union all (select id, 'running' from task_instance where state = 'queued' order by md5(dag_id || task_id || '$STEP') limit $MOVES)
	union all (select id, 'queued' from task_instance where state = 'scheduled' order by md5(dag_id || task_id || '$STEP') limit $MOVES)
	union all (select id, 'scheduled' from (
		select distinct on (ti.dag_id, ti.run_id) ti.id, ti.dag_id, ti.task_id, exists (select from task_instance other
				where (other.dag_id, other.run_id) = (ti.dag_id, ti.run_id) and other.state not in ('success', 'failed', 'skipped', 'upstream_failed')) as busy
			from task_instance ti join dag_run r using (dag_id, run_id)
			where ti.state is null and r.state = 'running' order by ti.dag_id, ti.run_id, ti.task_id) next
		order by busy, md5(dag_id || task_id || '$STEP') limit $MOVES);
update task_instance t set state = became, updated_at = now(), try_number = greatest(try_number, 1),
	scheduled_dttm = case when became = 'scheduled' then now() else scheduled_dttm end,
	queued_dttm = case when became = 'queued' then now() else queued_dttm end,
	start_date = case when became = 'running' then now() else start_date end,
	end_date = case when became = 'success' then now() end,
	duration = case when became = 'success' then extract(epoch from now() - start_date) end
	from moved where t.id = moved.id;

update dag_run r set state = 'success', end_date = now(), updated_at = now() where state = 'running' and not exists (
	select from task_instance ti where (ti.dag_id, ti.run_id) = (r.dag_id, r.run_id)
		and (ti.state is null or ti.state not in ('success', 'failed', 'skipped', 'upstream_failed')));
insert into dag_run (dag_id, run_id, run_type, state, queued_at, logical_date, run_after, start_date, data_interval_start, data_interval_end, last_scheduling_decision,
		log_template_id, created_at, updated_at, triggered_by, conf, created_dag_version_id)
	select dag_id, 'scheduled__step_$STEP', 'scheduled', 'running', now(), now(), now(), now(), now(), now(), now(), (select max(id) from log_template),
		now(), now(), 'TIMETABLE', '{}', id
	from dag_version where dag_id in ('bench_' || lpad((2 * $STEP % 350)::text, 4, '0'), 'bench_' || lpad((2 * $STEP % 350 + 1)::text, 4, '0'));
insert into task_instance (id, task_id, dag_id, run_id, try_number, max_tries, pool, pool_slots, queue, priority_weight, operator, custom_operator_name,
		hostname, unixname, executor_config, updated_at, task_display_name, dag_version_id)
	select gen_random_uuid(), 'task_' || lpad(k::text, 2, '0'), dag_id, run_id, 0, 2, 'pool_' || lpad((substr(dag_id, 7)::int % 20)::text, 2, '0'), 1, 'default', 20 - k,
		'BashOperator', 'BashOperator', '', 'airflow', '\x80057d942e', now(), 'task_' || lpad(k::text, 2, '0'), created_dag_version_id
	from dag_run, generate_series(0, 19) k where run_id = 'scheduled__step_$STEP';
update job set latest_heartbeat = now();
