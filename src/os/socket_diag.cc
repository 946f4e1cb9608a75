#include "os/socket_diag.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "os/seam.h"

namespace tincan::os {

namespace {

struct Question {
  nlmsghdr header = {};
  unix_diag_req request = {};
};

/// The file in the form the kernel answers with: it cuts inode numbers to 32 bits, and its dev_t
/// has 20 bits of minor number.
unix_diag_vfs brief(const FileId& file) {
  return {.udiag_vfs_ino = static_cast<__u32>(file.inode),
          .udiag_vfs_dev = (major(file.device) << 20) | minor(file.device)};
}

std::optional<unix_diag_vfs> file_in(const nlmsghdr* header) {
  const auto* message = static_cast<const unix_diag_msg*>(NLMSG_DATA(header));
  auto bytes = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));
  for (const auto* attribute = reinterpret_cast<const rtattr*>(message + 1);
       RTA_OK(attribute, bytes); attribute = RTA_NEXT(attribute, bytes)) {
    if (attribute->rta_type != UNIX_DIAG_VFS) continue;
    unix_diag_vfs file;
    std::memcpy(&file, RTA_DATA(attribute), sizeof file);
    return file;
  }
  return std::nullopt;
}

/// Asks for all sockets, or for the one whose number among sockets is `inode`, and calls `see` with
/// the file of each that has one.
template <class See>
Sys<void> ask(std::optional<ino_t> inode, See see) {
  if (const int error = before(Call::socket)) return failed(error);
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!socket) return failed();
  Question question;
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags =
      static_cast<__u16>(inode ? NLM_F_REQUEST : NLM_F_REQUEST | NLM_F_DUMP);
  question.request.sdiag_family = AF_UNIX;
  question.request.udiag_states = ~0U;
  question.request.udiag_ino = static_cast<__u32>(inode.value_or(0));
  question.request.udiag_show = UDIAG_SHOW_VFS;
  question.request.udiag_cookie[0] = question.request.udiag_cookie[1] = ~0U;
  if (const int error = before(Call::send)) return failed(error);
  if (::send(socket.get(), &question, sizeof question, MSG_NOSIGNAL) < 0) return failed();

  alignas(nlmsghdr) std::array<char, 32 * 1024> buffer;
  while (true) {
    if (const int error = before(Call::recv)) return failed(error);
    const auto received = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return failed();
    auto bytes = static_cast<unsigned>(received);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(header, bytes); header = NLMSG_NEXT(header, bytes)) {
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        return failed(-static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error);
      }
      if (const auto file = file_in(header)) see(*file);
      if (inode) return {};
    }
  }
}

/// True when one of the sockets asked for is bound to `file`.
Sys<bool> any_is(const FileId& file, std::optional<ino_t> inode) {
  const unix_diag_vfs wanted = brief(file);
  bool found = false;
  const auto asked = ask(inode, [&](const unix_diag_vfs& bound) {
    found = found || std::memcmp(&bound, &wanted, sizeof wanted) == 0;
  });
  if (!asked) return std::unexpected(asked.error());
  return found;
}

}  // namespace

Sys<bool> is_bound(const FileId& file) { return any_is(file, std::nullopt); }

Sys<bool> is_bound_to(int socket, const FileId& file) {
  const auto status = status_of(socket);
  if (!status) return std::unexpected(status.error());
  return any_is(file, status->st_ino);
}

}  // namespace tincan::os
