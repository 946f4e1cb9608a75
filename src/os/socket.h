#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <cstddef>
#include <span>
#include <vector>

#include "base/time.h"
#include "os/result.h"
#include "tincan/descriptor.h"

/// Unix stream sockets. Nothing here changes O_NONBLOCK: on an inherited descriptor that flag is
/// shared with whoever gave it, so each transfer says MSG_DONTWAIT or not. EINTR is never seen by a
/// caller, and no write raises SIGPIPE.
namespace tincan::os {

/// An address in the form the kernel takes.
struct SocketAddress {
  sockaddr_un storage = {};
  socklen_t bytes = 0;
  /// `path` of 1 … limits::sun_path_bytes_max bytes without NUL.
  [[nodiscard]] static SocketAddress of_path(std::string_view path);
  /// `name` of 1 … limits::sun_path_bytes_max bytes.
  [[nodiscard]] static SocketAddress of_abstract(std::string_view name);
};

[[nodiscard]] Sys<Descriptor> stream_socket();
[[nodiscard]] Sys<std::pair<Descriptor, Descriptor>> stream_socket_pair();
[[nodiscard]] Sys<void> bind(int socket, const SocketAddress& address);
[[nodiscard]] Sys<void> listen(int socket, int backlog);
/// Waits, while the backlog is full, as long as SO_SNDTIMEO says; then EAGAIN.
[[nodiscard]] Sys<void> connect(int socket, const SocketAddress& address);
/// Waits for room in the backlog until `deadline`, then EAGAIN; a moment that has passed means do
/// not wait. For a fresh socket of our own: leaves it blocking, and SO_SNDTIMEO set.
[[nodiscard]] Sys<void> connect(int socket, const SocketAddress& address, Moment deadline);
/// O_NONBLOCK, which everybody who has the open file shares: for sockets of our own only.
[[nodiscard]] Sys<void> set_blocking(int socket, bool blocking);
[[nodiscard]] Sys<bool> is_blocking(int socket);
[[nodiscard]] Sys<void> set_close_on_exec(int descriptor);
/// EAGAIN when nobody waits, if `socket` is non-blocking.
[[nodiscard]] Sys<Descriptor> accept(int socket);
[[nodiscard]] Sys<void> shutdown(int socket, int how);

/// Whether a transfer may sleep.
enum class Mode { wait, do_not_wait };

/// Bytes written; 0 never. EAGAIN: nothing was, now or before SO_SNDTIMEO ran out.
[[nodiscard]] Sys<std::size_t> send(int socket, std::span<const std::byte> bytes, Mode mode);
/// The same with descriptors, which belong to the first byte: once a byte is written they are gone.
[[nodiscard]] Sys<std::size_t> send(int socket, std::span<const std::byte> bytes,
                                    std::span<const int> descriptors, Mode mode);
/// Bytes read; 0 is the end. Descriptors in the way are dropped by the kernel.
[[nodiscard]] Sys<std::size_t> receive(int socket, std::span<std::byte> into, Mode mode);

struct Arrival {
  std::size_t bytes = 0;
  bool truncated = false;  ///< MSG_CTRUNC: descriptors were lost on the way.
};
/// The same, appending descriptors that came with the bytes, close-on-exec. At most
/// limits::message_descriptors_max arrive at once, and bytes after theirs are left for the next.
[[nodiscard]] Sys<Arrival> receive(int socket, std::span<std::byte> into,
                                   std::vector<Descriptor>& descriptors, Mode mode);

/// SO_RCVTIMEO; 0 means for ever, so `timeout` is at least 1 µs, the option's unit.
[[nodiscard]] Sys<void> set_receive_timeout(int socket, Nanoseconds timeout);
/// SO_SNDTIMEO; it also bounds connect(2).
[[nodiscard]] Sys<void> set_send_timeout(int socket, Nanoseconds timeout);
/// SO_SNDBUF: how much may be under way. More than net.core.wmem_max is cut to that.
[[nodiscard]] Sys<void> set_send_buffer(int socket, std::uint32_t bytes);
[[nodiscard]] Sys<ucred> peer_credentials(int socket);
[[nodiscard]] Sys<std::vector<gid_t>> peer_groups(int socket);
/// Errors: ENOPROTOOPT or EINVAL before Linux 6.5; ESRCH or ENODATA once the process was reaped.
[[nodiscard]] Sys<Descriptor> peer_pidfd(int socket);
/// SO_ACCEPTCONN. ENOTSOCK for other descriptors.
[[nodiscard]] Sys<bool> is_listening(int socket);
/// True for AF_UNIX, SOCK_STREAM.
[[nodiscard]] Sys<bool> is_unix_stream(int socket);

}  // namespace tincan::os
