package airflowtest

// The states of task instances.
const (
	NoStatus        = "" // null
	Scheduled       = "scheduled"
	Queued          = "queued"
	Running         = "running"
	Restarting      = "restarting"
	Deferred        = "deferred"
	AwaitingInput   = "awaiting_input" // since 3.3
	UpForRetry      = "up_for_retry"
	UpForReschedule = "up_for_reschedule"
	Success         = "success"
	Failed          = "failed"
	Skipped         = "skipped"
	UpstreamFailed  = "upstream_failed"
	Removed         = "removed"
)

// shutdown is a state of old that no API accepts, but whose word Airflow 2 still knows.
const shutdown = "shutdown"
