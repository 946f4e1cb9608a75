#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tincan/descriptor.h"
#include "tincan/limits.h"

namespace tincan {

/// Who may connect, or call one method. Empty: the file's permissions decide alone.
///
/// A peer passes when its uid is listed, or its primary or a supplementary gid is. The overflow ids
/// never match. Inherited connections (`exec:`, `fd:`, `systemd:`) are not asked: who handed them
/// over has decided.
struct AllowList {
  std::vector<uid_t> uids;
  std::vector<gid_t> gids;
  [[nodiscard]] bool empty() const { return uids.empty() && gids.empty(); }
};

/// How a path is claimed and who may use it.
struct ListenOptions {
  /// The mode of the socket file; connecting needs its write bit. It is never wider than this, not
  /// for an instant, and exactly this afterwards, whatever the umask (which is not touched).
  mode_t mode = 0600;
  /// The file's group, by name or number. Needs membership (chown(2)).
  std::optional<std::string> group = {};
  /// Who may connect, beyond what the file says.
  AllowList allow = {};
  /// Connections waiting to be accepted; the kernel cuts it to net.core.somaxconn.
  int backlog = limits::backlog;
  /// Without descriptors or memory for the next connection, how long Listener::accept takes to say
  /// so; not 0.
  std::chrono::milliseconds accept_rest = limits::accept_rest;
  /// Take the path over from a living server that lets us (same uid or root): no client notices,
  /// and if we fail it serves on. See Server::listen.
  bool take_over = false;
  /// Permit `unix-abstract:` addresses, which have no file permissions. They need an `allow`.
  bool abstract = false;
};

/// How to wait for what comes, through a ring or at a socket.
enum class Waiting : std::uint8_t {
  block,     ///< Sleep at once: no CPU time is spent, and each message pays for a wake-up.
  adaptive,  ///< Look for a moment before sleeping, where and when that has been worth it.
  spin,      ///< Look until it comes, or the deadline. For who owns a CPU.
};

/// How a server treats its clients.
struct ServerOptions {
  mode_t mode = 0600;                     ///< As ListenOptions::mode.
  std::optional<std::string> group = {};  ///< As ListenOptions::group.
  AllowList allow = {};                   ///< As ListenOptions::allow.
  int backlog = limits::backlog;          ///< As ListenOptions::backlog.
  bool take_over = false;                 ///< As ListenOptions::take_over.
  bool abstract = false;                  ///< As ListenOptions::abstract.

  std::uint64_t payload_bytes_max = limits::payload_bytes_max;      ///< The largest request.
  std::uint32_t calls_in_flight_max = limits::calls_in_flight_max;  ///< Unanswered, a connection.
  std::uint64_t incoming_bytes_max = limits::incoming_bytes_max;  ///< Requests held, a connection.
  /// Replies unread, a connection. Behind more of them a reply is lost; and so is one that is
  /// larger than what is left of this and one payload (`payload_bytes_max`, or its default if that
  /// is more).
  std::uint64_t outgoing_bytes_max = limits::outgoing_bytes_max;
  /// Replies unread at which no more is read from that connection. 0: at the first byte.
  std::uint64_t outgoing_bytes_pause = limits::outgoing_bytes_pause;
  /// Taken from one connection before the others have their turn; not 0.
  std::uint32_t frames_per_turn_max = limits::frames_per_turn_max;
  std::uint64_t request_bytes_max = limits::request_bytes_max;  ///< Requests held, in all.
  std::uint64_t request_bytes_per_uid_max = limits::request_bytes_per_uid_max;  ///< Of one uid.
  std::uint64_t request_bytes_free = limits::request_bytes_free;  ///< Not counted, a connection.
  std::uint64_t request_bytes_step = limits::request_bytes_step;  ///< In which it counts; not 0.
  /// Descriptors accepted with one request, 0 … limits::message_descriptors_max. 0: not accepted.
  std::uint32_t descriptors_max = 0;
  /// Descriptors of requests not finished yet, a connection; beyond it calls are `exhausted`.
  std::uint32_t descriptors_held_max = limits::descriptors_held_max;
  std::uint32_t connections_max = limits::connections_max;                  ///< In all.
  std::uint32_t connections_per_uid_max = limits::connections_per_uid_max;  ///< Of one uid.
  Waiting waiting = Waiting::adaptive;
  std::uint32_t rings_max = limits::rings_max;  ///< Rings in shared memory, in all. 0: none.
  std::uint32_t rings_per_uid_max = limits::rings_per_uid_max;            ///< Of one uid.
  std::uint32_t ring_grants_per_second = limits::ring_grants_per_second;  ///< To one uid.
  std::uint64_t ring_bytes_max = limits::ring_bytes_max;    ///< The largest, each way.
  std::chrono::milliseconds ring_idle = limits::ring_idle;  ///< Unused until taken back.
  /// Memory that clients lend, a connection: 0 … limits::loans_ceiling. 0: none.
  std::uint32_t views_max = limits::views_max;
  std::uint64_t view_bytes_max = limits::view_bytes_max;                  ///< Of it, in all.
  std::uint64_t view_bytes_per_uid_max = limits::view_bytes_per_uid_max;  ///< Of one uid.
  /// Whose shared views are taken: who may hand over what he can change while a handler looks at
  /// it. Not set: nobody's; an empty list: everybody's who may connect.
  std::optional<AllowList> shared_views_from = {};
  /// To whom memory of the server's own is lent (Request::loan), besides root and its own uid. Not
  /// set: to nobody else; an empty list: to everybody who may connect.
  std::optional<AllowList> lend_to = {};
  std::uint64_t loan_bytes_max = limits::loan_bytes_max;                  ///< Lent, in all.
  std::uint64_t loan_bytes_per_uid_max = limits::loan_bytes_per_uid_max;  ///< To one uid.
  std::uint64_t loan_bytes_min = limits::loan_bytes_min;  ///< Immutable ones under it are copied.
  /// accept → HELLO; and from a ring that was granted to its memory.
  std::chrono::milliseconds handshake_deadline = limits::handshake_deadline;
  std::chrono::milliseconds drain_deadline = limits::drain_deadline;  ///< stop() → end.
  /// Without descriptors or memory for the next connection, until it is tried again; not 0.
  std::chrono::milliseconds accept_rest = limits::accept_rest;
  std::chrono::milliseconds slow_handler = limits::slow_handler;  ///< Named in the log.
  /// Receives one line for what an operator should know: refusals, breaches, slow handlers, lack of
  /// descriptors. Called on the loop; must not block; what it throws is dropped. Empty: nothing
  /// is said.
  std::function<void(std::string_view)> log = {};
};

/// What carries a connection.
enum class Transport : std::uint8_t {
  socket,     ///< The socket alone.
  automatic,  ///< The socket, and a ring in shared memory while there is enough traffic for one.
  /// A ring from before the first call to the end of the connection, of `ring_bytes`, or no
  /// connection: connecting, also again, fails when there is none to be had. Its memory is locked
  /// (RLIMIT_MEMLOCK, twice `ring_bytes` and two pages) and all there; the server does not take it
  /// back for lying idle, and counts it like any other.
  ring,
};

/// How a client connects and what it accepts.
struct ClientOptions {
  std::chrono::nanoseconds connect_deadline = limits::connect_deadline;  ///< connect → HELLO.
  std::chrono::nanoseconds deadline = limits::call_deadline;  ///< Of calls that name none.
  /// How long a call waits for a server that has gone to come back, within the call's deadline.
  /// 0: not at all.
  std::chrono::nanoseconds reconnect_deadline = limits::reconnect_deadline;
  /// How long a call whose deadline has passed waits for the server's word whether it was run, and
  /// for the rest of a frame that is half written. 0: not at all; what was sent is then *unknown*.
  std::chrono::nanoseconds verdict_grace = limits::verdict_grace;
  /// The server must run as this uid. Without it the server must be root, ourselves, or the owner
  /// of a socket file that nobody else could have put there. Checked before the first byte.
  std::optional<uid_t> server_uid = {};
  std::uint64_t payload_bytes_max = limits::payload_bytes_max;      ///< The largest reply.
  std::uint32_t calls_in_flight_max = limits::calls_in_flight_max;  ///< Over all threads.
  Transport transport = Transport::automatic;
  Waiting waiting = Waiting::adaptive;
  std::uint64_t ring_bytes = limits::ring_bytes;  ///< Of a ring, each way; a power of two.
  /// So far a ring grows that is too small, if the server lets it; likewise. At most `ring_bytes`:
  /// none grows. With Transport::ring none does.
  std::uint64_t ring_bytes_max = limits::ring_bytes_grown;
  /// A ring is asked for when so many calls were made
  std::uint32_t ring_after_calls = limits::ring_after_calls;
  std::chrono::nanoseconds ring_window = limits::ring_window;  ///< in no more than this time.
  /// A larger one is asked for when one of the two was filled, having been half empty meanwhile, so
  /// often in the same time.
  std::uint32_t ring_after_fills = limits::ring_after_fills;
  /// What a Sender collects before it writes, in bytes, up to limits::fragment_bytes_max; for a
  /// ring half of it.
  std::size_t batch_bytes = limits::batch_bytes;
  /// The socket's buffer of a client that has a Sender; the kernel cuts it to net.core.wmem_max.
  std::uint32_t stream_buffer_bytes = limits::stream_buffer_bytes;
  /// Descriptors accepted with one reply, 0 … limits::message_descriptors_max. 0: not accepted.
  std::uint32_t descriptors_max = 0;
  /// Memory that the server hands over as replies, held at once: 0 … limits::loans_ceiling. 0: none
  /// is taken, and replies are copied. Otherwise each read costs some 70 ns more.
  std::uint32_t views_max = 0;
  std::uint64_t view_bytes_max = limits::view_bytes_max;  ///< Of it, in all.
  /// Take shared views too: the server may change a reply while we look at it.
  bool shared_views = false;
  std::uint64_t loan_bytes_min = limits::loan_bytes_min;  ///< Immutable ones under it are copied.
};

/// One call.
struct CallOptions {
  /// From now; none: ClientOptions::deadline. It travels with the call and reaches the handler.
  std::optional<std::chrono::nanoseconds> deadline = {};
  /// Running it twice is as good as once: it may be sent again after an *unknown* outcome.
  bool idempotent = false;
  /// Sent along; borrowed until the call returns. At most what the server accepts.
  std::span<const Descriptor> descriptors = {};
};

}  // namespace tincan
