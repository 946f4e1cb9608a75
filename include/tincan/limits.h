#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every limit, with its unit in its name and its source beside it. The kernel's and the protocol's
/// are what they are; each of the others is the default of an option in options.h.
namespace tincan::limits {

using namespace std::chrono_literals;

// The kernel's.

/// sizeof(sockaddr_un::sun_path) - 1, unix(7). Longer paths go through a directory descriptor.
inline constexpr std::size_t sun_path_bytes_max = 107;
/// PATH_MAX - 1, limits.h of Linux: no path can be longer.
inline constexpr std::size_t path_bytes_max = 4095;
/// SCM_MAX_FD, include/net/scm.h: one message carries no more descriptors.
inline constexpr std::size_t message_descriptors_max = 253;
/// PTRDIFF_MAX, beyond which neither malloc(3) nor mmap(2) gives anything: no payload and no memory
/// is larger, whatever its receiver says that it takes.
inline constexpr std::uint64_t memory_bytes_ceiling = PTRDIFF_MAX;

// The protocol's: docs/wire-format.md.

/// What one frame has of a payload. 64 KiB: a small frame waits for at most one of these, about
/// 4 µs at the 16 GB/s of a coalesced socket (measured: docs/performance.md).
inline constexpr std::size_t fragment_bytes_max = 64 * 1024;
/// The name of a method; one length byte on the wire.
inline constexpr std::size_t method_bytes_max = 255;
/// The prologue of a call: names, deadline, trace context and what later versions add. Chosen.
inline constexpr std::size_t prologue_bytes_max = 4096;
/// The body of one frame: a prologue behind its two bytes of length, and a fragment; so that 64 KiB
/// go in one frame, and are read where they lie (docs/decisions/0026-whole-fragments.md).
inline constexpr std::size_t body_bytes_max = 2 + prologue_bytes_max + fragment_bytes_max;
/// Text in an error or a refusal; longer text is cut at this length with an ellipsis. Chosen, so
/// that a failure is always one frame.
inline constexpr std::size_t error_text_bytes_max = 32 * 1024;
/// One-way messages in one frame. Chosen, so that one frame costs a server no more than a turn
/// does: handlers that take them one by one run so often.
inline constexpr std::size_t batch_messages_max = 4096;
/// The range of the slot number in a call id: 16 bits, one value means "no slot".
inline constexpr std::size_t calls_in_flight_ceiling = 65535;
/// Memory that one connection hands over at once, each way, whatever its holder says that it takes:
/// each costs its owner a descriptor. Chosen, not tuned: four times `views_max`, and a quarter of
/// the soft limit of 1,024 descriptors that most processes have.
inline constexpr std::uint32_t loans_ceiling = 256;

// Per connection; agreed at HELLO as the smaller of both sides.

/// One payload. Chosen: larger ones are better handed over than copied.
inline constexpr std::uint64_t payload_bytes_max = 64ull * 1024 * 1024;
/// Calls not yet answered. Chosen, not tuned: 16 times the deepest pipeline of docs/performance.md.
inline constexpr std::uint32_t calls_in_flight_max = 1024;
/// Bytes of requests being received or held by handlers. Room for one largest payload beside small
/// ones; a call that would pass it is refused as `exhausted`.
inline constexpr std::uint64_t incoming_bytes_max = 2 * payload_bytes_max;
/// Descriptors that came with requests which are being received or held by handlers. Chosen: two
/// messages' worth, half of the soft limit of 1,024 that most processes have in all.
inline constexpr std::uint32_t descriptors_held_max = 2 * message_descriptors_max;
/// Bytes of replies that the peer has not read. While there are more, further answers to it are
/// lost, and each of their callers is told so instead. The most that is kept is this and one
/// payload; an answer that would pass it is lost too. Room for two of the largest. Chosen, not
/// tuned.
inline constexpr std::uint64_t outgoing_bytes_max = 2 * payload_bytes_max;
/// Unread reply bytes at which we stop reading the peer's calls. Chosen: several socket buffers.
inline constexpr std::uint64_t outgoing_bytes_pause = 1024 * 1024;

/// Frames taken from one connection before the others have their turn. Chosen, not tuned: 64 small
/// calls keep a loop for some 30 µs (docs/performance.md), and their answers still leave in one
/// write.
inline constexpr std::uint32_t frames_per_turn_max = 64;

// Per server.

/// Bytes of requests being received or held by handlers, over all connections. Chosen, not tuned:
/// 16 of the largest payloads, which a machine that runs a server has. Calls beyond it are refused
/// as `exhausted`. Those of `request_bytes_free` a connection are not counted.
inline constexpr std::uint64_t request_bytes_max = 16 * payload_bytes_max;
/// The same for the connections of one uid. Chosen: a quarter, so one user cannot take all of it.
inline constexpr std::uint64_t request_bytes_per_uid_max = request_bytes_max / 4;
/// Bytes of requests that a connection has for nothing: small calls touch no count that loops
/// share. Chosen: one fragment, so that any call in one frame is free on an idle connection.
inline constexpr std::uint64_t request_bytes_free = fragment_bytes_max;
/// What is above that is counted in steps of this, so that the shared counts are touched seldom.
/// Chosen: 16 fragments.
inline constexpr std::uint64_t request_bytes_step = 1024 * 1024;
/// Connections in all. Chosen; the descriptor limit of the process may be lower and is obeyed.
inline constexpr std::uint32_t connections_max = 16384;
/// Connections of one uid. Chosen: a quarter, so one user cannot take every place.
inline constexpr std::uint32_t connections_per_uid_max = 4096;
/// The accept queue. The kernel cuts it to net.core.somaxconn (4096 since Linux 5.4).
inline constexpr int backlog = 4096;
/// From accept to the peer's HELLO. Long enough for a swapped-out client, short for a silent one.
inline constexpr std::chrono::milliseconds handshake_deadline = 5s;
/// From stop() until unanswered calls are given up. Chosen: below systemd's TimeoutStopSec of 90 s.
inline constexpr std::chrono::milliseconds drain_deadline = 5s;
/// How long accepting rests when the process is out of descriptors or memory (F14: without a rest
/// one core spins at 400,000 wake-ups a second). Promise 15 wants recovery within 1 s.
inline constexpr std::chrono::milliseconds accept_rest = 100ms;
/// A handler that holds its loop longer than this is named in the log. Chosen.
inline constexpr std::chrono::milliseconds slow_handler = 100ms;

/// Rings in shared memory that clients have with a server, in all. Chosen: 512 MiB of the smallest,
/// which the clients pay for; what they cost the server is address space and page tables.
inline constexpr std::uint32_t rings_max = 1024;
/// Rings of one uid. Chosen: a quarter, so one user cannot take every place.
inline constexpr std::uint32_t rings_per_uid_max = 256;
/// Rings granted to one uid in a second. Each costs the server some 0.1 ms to map. Chosen: 1 % of a
/// CPU.
inline constexpr std::uint32_t ring_grants_per_second = 100;
/// The largest ring that a server takes, each way. Chosen, not tuned: more falls out of the cache.
inline constexpr std::uint64_t ring_bytes_max = 8ull * 1024 * 1024;
/// How long a ring may lie idle before the server takes it back, which it looks for once in as
/// long: promise 4 wants the memory back in 2 s.
inline constexpr std::chrono::milliseconds ring_idle = 900ms;

/// Memory of a peer's that is handed over in place of payloads, held at once on one connection.
/// Chosen: as many large payloads as are likely to be under way.
inline constexpr std::uint32_t views_max = 64;
/// Bytes of it, in all; each counts as 1 MiB at least. What it costs the holder is address space
/// and page tables: 8 bytes a page, 32 MiB for all of this.
inline constexpr std::uint64_t view_bytes_max = 16ull * 1024 * 1024 * 1024;
/// Of one uid. Chosen: a quarter, so one user cannot take all of it.
inline constexpr std::uint64_t view_bytes_per_uid_max = view_bytes_max / 4;
/// Bytes of a server's own memory that it has lent and that was not released, in all; each counts
/// as 1 MiB at least. They are charged to the server for as long as a client keeps them, and each
/// is a descriptor of its. Chosen: a few of the largest.
inline constexpr std::uint64_t loan_bytes_max = 4ull * 1024 * 1024 * 1024;
/// To one uid. Chosen: a quarter, so one user cannot keep all of it.
inline constexpr std::uint64_t loan_bytes_per_uid_max = loan_bytes_max / 4;
/// Immutable loans under this are ordinary memory and are copied when they are sent. Chosen, not
/// tuned: what fits a fragment is copied in less time than a descriptor takes.
inline constexpr std::uint64_t loan_bytes_min = fragment_bytes_max;

// Per client.

/// The first ring that a client asks for, each way. Chosen: the least that a ring has, four frames.
inline constexpr std::uint64_t ring_bytes = 256ull * 1024;
/// How far a ring grows that is filled again and again. Measured (docs/decisions/0022): calls of
/// 1 MiB there and back take 0.8 times as long through 1 MiB as through 256 KiB, and no less
/// through more, which every client would pay for twice.
inline constexpr std::uint64_t ring_bytes_grown = 1024ull * 1024;
/// How often a ring is filled within `ring_window` until a larger one is asked for. Chosen: what
/// goes through has then filled it eight times in 20 ms, 100 MB/s for the smallest and four times
/// that for the next; one large call alone does not.
inline constexpr std::uint32_t ring_after_fills = 8;
/// Calls of one client after which it asks for a ring, when they took no longer than `ring_window`.
/// Chosen: 3,200 calls a second, of which a flood on the slowest machine makes enough in a moment,
/// and which ten a second never are.
inline constexpr std::uint32_t ring_after_calls = 64;
inline constexpr std::chrono::milliseconds ring_window = 20ms;

/// What a Sender collects before it writes: messages, each behind a length of 4 bytes. Measured: 32
/// KB were the best size of a write to a socket (shared/performance.md); for a ring, where nothing
/// is won by writing more at once, half of it, which stays in a first-level cache of 48 KB between
/// the copy into the batch and the one out of it (docs/decisions/0023-batches.md).
inline constexpr std::size_t batch_bytes = 32ull * 1024;
/// A client's first Sender asks for so large a socket buffer; the kernel cuts it to
/// net.core.wmem_max. Chosen: shared/performance.md measures streams with 1 MB.
inline constexpr std::uint32_t stream_buffer_bytes = 1024 * 1024;

/// A call that names no deadline of its own.
inline constexpr std::chrono::milliseconds call_deadline = 5s;
/// From connect() to the server's HELLO.
inline constexpr std::chrono::milliseconds connect_deadline = 1s;
/// How long a call waits for a server that has gone to come back. Promise 7 wants 2 s.
inline constexpr std::chrono::milliseconds reconnect_deadline = 2s;
/// After a deadline: how long the server's verdict (expired before it was run?) is waited for, and
/// how long a half-written frame may take. Within the 20 ms of promise 3.
inline constexpr std::chrono::milliseconds verdict_grace = 10ms;

}  // namespace tincan::limits
