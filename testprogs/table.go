package testprogs

import "strings"

// The builds that cases run as. Every C case runs as the dynamic one; those
// marked below run as all of them, which differ in who makes the system calls
// and how the program starts.
var (
	dynamic  = []Flavour{Dynamic}
	everyC   = []Flavour{Dynamic, Static, StaticPIE, Musl}
	resolver = []Flavour{Dynamic, Musl}
	plainGo  = []Flavour{Go}
	everyGo  = []Flavour{Go, GoCgo}
)

// Reasons of gaps that follow from surrogates.
const (
	untrapped = "the call is not trapped, and a surrogate is an AF_UNIX socket"
	borrowing = "a TCP surrogate that is not connected looks like one where netbox may call pidfd_getfd(2), which Docker's profile refuses"

	untracedRefusal = "only a tracer sees native calls, and tells the errno of one that the surrogate has failed with ECONNRESET"
)

// Programs is the table of all cases.
var Programs = []Program{
	{"fds", join(
		every(everyC, "dup dup2_over_socket lowest_number close_range"),
		every(dynamic, `dup3_cloexec dup_shares_status_flags dup_before_connect getfl_setfl fionbio
			fionread_tcp fionread_udp sigio emfile_socket emfile_accept`),
		only(Native, untrapped+": FIONREAD", every(dynamic, "fionread_listener")),
	)},
	{"share", join(
		every(everyC, "vfork_exec exec_from_thread clone_files exec_keeps_listener"),
		every(dynamic, `fork_shares_connection fork_child_connects fork_last_close_ends fork_child_makes_sockets
			exec_keeps_connection exec_closes_cloexec posix_spawn scm_rights_connection scm_rights_listener`),
	)},
	{"epoll", join(
		every(everyC, "edge_triggered connect_edge"),
		every(dynamic, `level_triggered edge_triggered_output one_shot exclusive listener listener_edge
			connect_refused_edge peer_half_closes registration_across_dup datagram_edge inherited_instance ignored_signals ignored_storm`),
	)},
	{"poll", join(
		every(dynamic, `fresh_udp listener connected refused pollrdhup pollhup reset_by_peer select_wakes
			select_three_sets ppoll_mask pselect_mask many_descriptors`),
		needing(Remote, every(dynamic, "connecting")),
		only(Native|Netbox|Debuggable, borrowing, every(dynamic, "fresh_tcp")),
	)},
	{"accept", join(
		every(everyC, "prefork thread_pool"),
		every(dynamic, `accept4_flags flags_not_inherited peer_address_given address_truncated would_block
			receive_timeout listen_twice listen_without_bind wrong_states backlog_overflow closed_before_accept
			close_listener_resets options_inherited`),
		only(Native, untrapped+": recv and send without an address", every(dynamic, "listener_io")),
	)},
	{"connect", join(
		every(everyC, "succeeds refused"),
		every(dynamic, `again_after_refused nonblock_succeeds nonblock_refused refusal_told_once nonblock_again refusal_told_by_connect
			unspec_disconnects_udp unspec_disconnects_tcp unspec_on_fresh bound_source to_any_is_loopback
			unconnected_messages`),
		only(Native, untrapped+": recv and send without an address", every(dynamic, "unconnected_io")),
		only(Native, untrapped+": recv tells the reset of the surrogate", every(dynamic, "refusal_told_by_recv")),
		only(Native|Netbox|Debuggable, borrowing, every(dynamic, "refused_then_poll copy_after_refused")),
		needing(Remote, every(dynamic, `in_progress_states shutdown_ends_attempt send_timeout times_out
			refused_by_remote unreachable unspec_ends_attempt`)),
		needing(Remote, only(Native, "what is sent before the handshake is kept until after it",
			every(dynamic, "in_progress_send"))),
	)},
	{"signals", signals()},
	{"interrupt", join(
		every(everyC, "cancel_accept cancel_recvfrom storm_restart"),
		only(Traced, "a signal that comes before the supervisor has the call ends any call with EINTR, if its handler is without SA_RESTART",
			join(every(everyC, "storm_eintr"), every(dynamic, "storm_options"))),
		every(dynamic, `sigalrm_accept sigalrm_udp stop_accept stop_recv stop_udp kill_group_in_accept
			ignored_under_timeout ignored_sigtimedwait`),
		needing(Remote, every(dynamic, `connect_eintr connect_restart connect_restart_with_timeout sigalrm_connect
			stop_connect`)),
	)},
	{"scale", join(
		every(everyC, "threads_64_connect threads_traffic daemonise"),
		every(dynamic, "sequential_10000 sequential_1000_v6 unused_sockets shutdown_wakes_reader shutdown_wakes_accept"),
		needing(Descriptors, every(dynamic, "concurrent_2000")),
	)},
	{"tcp", join(
		every(everyC, "half_close_by_client bulk_both_ways"),
		every(dynamic, `half_close_by_server shutdown_read shutdown_both linger_zero_resets linger_waits
			close_with_unread_data exit_with_unread_data sigpipe write_after_peer_closed data_before_fin
			bulk_both_ways_v6 back_pressure small_writes`),
	)},
	{"stream", join(
		every(dynamic, `msg_peek urgent_inline msg_waitall msg_waitall_end msg_dontwait vectors many_vectors
			sendfile splice sendto_with_address recvfrom_address mmsg header_untouched mmsg_ignored mmsg_in_part
			receive_timeout send_timeout zero_lengths not_seekable`),
		only(Native, untrapped+": recv without an address", every(dynamic, "msg_trunc")),
	)},
	{"sockopt", every(dynamic, `identity switches keepalive_times tcp_info_state buffer_sizes
		buffers_work_when_small linger_value timeouts user_timeout cork ip_options v6only congestion unknown`)},
	{"reuse", every(dynamic, `matrix_bound matrix_listening matrix_udp wildcard_conflicts dual_stack_conflicts
		restart_over_time_wait reuseport_listeners reuseport_udp bind_errors port_free_after_close
		port_free_after_kill port_range`)},
	{"names", join(
		every(everyC, "dual_stack_accept mapped_udp"),
		every(dynamic, `before_and_after_bind after_connect after_peer_is_gone peer_ended peer_reset peer_reset_at_once identity_stays udp_connect udp_send_binds
			short_buffers mapped_connect v6only_refuses_v4 all_of_127`),
	)},
	{"udp", join(
		every(everyC, "echo mixed_reads two_readers"),
		every(dynamic, `connected connected_sendto_elsewhere connect_again zero_length truncated peek_with_address
			disconnect_and_port sizes destination_errors queue_overflow_drops`),
		only(Native, "a UDP port that the stack chose stays with the socket, unseen, after connect(AF_UNSPEC)",
			every(dynamic, "bind_after_disconnect")),
	)},
	{"udperror", join(
		every(dynamic, "refused refused_wakes_reader refused_unconnected"),
		needing(Remote, every(dynamic, "refused_by_remote")),
		only(Native, untrapped+": send without an address", every(dynamic, "unconnected_send")),
		only(Traced, untracedRefusal, every(dynamic, "refused_told_plainly refused_in_bursts refused_disturbs_nobody")),
	)},
	{"udpmsg", join(
		every(everyC, "batches"),
		every(dynamic, `message scattered wait_for_one batch_stops_at_error packet_info packet_info_sets_source
			packet_info6 ttl_and_tos timestamp control_truncated error_queue local_error`),
	)},
	{"icmp", join(
		needing(PingRange, every(everyC, "dgram_v4")),
		needing(PingRange, every(dynamic, "dgram_v6 dgram_identifier dgram_refuses_others dgram_waits")),
		needing(NetRaw, every(dynamic, "raw_v4 raw_v6")),
		needing(PingRange|Remote, every(dynamic, "remote_v4")),
	)},
	{"raw", needing(NetRaw, every(dynamic, `any_protocol_v4 any_protocol_v6 unknown_protocol header_included
		header_included_v6 checksum_v6 icmp_filter socket_filters bound_and_connected`))},
	{"buffers", every(dynamic, "small")},
	{"rawerror", needing(NetRaw, join(
		every(dynamic, "local_error"),
		only(Traced, untracedRefusal, every(dynamic, "pending_error")),
	))},
	{"packet", needing(NetRaw, every(dynamic, `names receive_raw receive_cooked filter_cuts filter_ancillary
		filter_options options memberships auxdata send_raw send_cooked arp`))},
	{"ring", needing(NetRaw, join(
		every(dynamic, "files"),
		only(Traced, "only the task itself can map a ring, and a tracer make it", join(
			every([]Flavour{Dynamic, Static, StaticPIE}, "packets_v2"),
			every(dynamic, "packets_v1 several waits interrupted overflow long_packet child refused"),
		)),
	))},
	{"netdev", join(
		every(resolver, "getifaddrs if_nametoindex if_nameindex localhost numeric connect_by_name"),
		every(dynamic, "siocgifconf interface_ioctls"),
	)},
	{"procfs", join(
		every(everyC, "listener_row relative"),
		every(dynamic, "directory descriptor refused settings"),
		only(Traced, "what a path leads to that its text does not tell shows when it is open: to a tracer",
			every(dynamic, "link limited scoped rooted deep")),
	)},
	{"group", every(dynamic, "memberships memberships6 sources filter others_groups")},
	{"family", join(
		every(everyC, "unix_pairs"),
		every(dynamic, "unix_path unix_abstract unix_datagram inet_is_not_unix socketpair_inet"),
		only(Netbox|Debuggable, "Linux has these families; Docker's profile refuses some before netbox's filter can, with EPERM",
			every(dynamic, "other_families")),
		only(Boxed, "Linux has io_uring", every(dynamic, "io_uring_refused")),
		only(Boxed, "Linux may serve i386 programs", every(dynamic, "foreign_abis_refused")),
	)},
	{"args_socket", compared(every(dynamic, "socket socketpair bind connect names listen_shutdown accept"))},
	{"queue", join(
		compared(every(dynamic, "udp overflow")),
		needing(NetRaw, compared(every(dynamic, "raw packet"))),
	)},
	{"cork", compared(every(dynamic, "gathers"))},
	{"args_io", compared(every(dynamic, "send receive receive_datagram messages read_write"))},
	{"args_order", compared(every(dynamic, "send versions pktinfo udp renewed told recvmmsg"))},
	{"args_found", compared(every(dynamic, "names mapped probe control scope options stores open netlink credentials"))},
	{"args_left", compared(every(dynamic, "kept failed disconnected shut unrouted"))},
	{"args_sockopt", compared(every(dynamic, "get set round_trip"))},
	{GoProgram, join(
		every(everyGo, "tcp_echo tcp_many udp_echo lookup_localhost happy_eyeballs http exec_listener"),
		every(plainGo, `tcp_echo_v6 tcp_half_close tcp_deadline tcp_refused tcp_listener_close tcp_options tcp_bulk
			udp_connected udp_dual_stack udp_deadline http_keepalive interfaces groups exec_connection
			file_listener unix_socket`),
		needing(Remote, every(plainGo, "tcp_dial_timeout tcp_dial_cancel")),
		only(Traced, untracedRefusal, every(plainGo, "udp_refused")),
	)},
}

// signals are c/signals.c's: every blocking call, interrupted in three ways.
func signals() []Case {
	const calls = `accept accept4 accept_timeout read readv recv recv_timeout recvfrom recvfrom_timeout recvmsg
		recvmmsg send write sendmsg poll select epoll_wait udp_read udp_recv udp_recvfrom udp_recvmsg udp_recvmmsg
		udp_poll`
	inEveryBuild := map[string]bool{"restart_accept": true, "eintr_recvfrom": true, "restart_udp_recvfrom": true}
	var cases []Case
	for _, mode := range []string{"eintr_", "restart_", "complete_"} {
		for _, call := range strings.Fields(calls) {
			flavours := dynamic
			if inEveryBuild[mode+call] {
				flavours = everyC
			}
			cases = append(cases, every(flavours, mode+call)...)
		}
	}
	return cases
}

// every makes a case of each name in names, to pass everywhere.
func every(flavours []Flavour, names string) []Case {
	var cases []Case
	for _, name := range strings.Fields(names) {
		cases = append(cases, Case{Name: name, Flavours: flavours, Places: Everywhere})
	}
	return cases
}

func needing(n Need, cases []Case) []Case {
	for i := range cases {
		cases[i].Needs |= n
	}
	return cases
}

func only(p Place, reason string, cases []Case) []Case {
	for i := range cases {
		cases[i].Places, cases[i].Reason = p, reason
	}
	return cases
}

func compared(cases []Case) []Case {
	for i := range cases {
		cases[i].Compare = true
	}
	return cases
}

func join(groups ...[]Case) []Case {
	var cases []Case
	for _, g := range groups {
		cases = append(cases, g...)
	}
	return cases
}
