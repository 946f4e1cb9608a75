#include "ways/pass_file.h"

#include <sys/socket.h>

#include <cstring>

#include "ways/demand.h"

namespace bench {

namespace {

/// A message of one byte, with room for a descriptor.
struct FileMessage {
  char byte = 'm';
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};

  FileMessage() {
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
  }
  FileMessage(const FileMessage&) = delete;
  FileMessage& operator=(const FileMessage&) = delete;
};

}  // namespace

void send_file(int socket, int file) {
  FileMessage sent;
  cmsghdr* const header = CMSG_FIRSTHDR(&sent.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof file);
  std::memcpy(CMSG_DATA(header), &file, sizeof file);
  demand(::sendmsg(socket, &sent.message, MSG_NOSIGNAL) == 1, "sendmsg");
}

std::optional<tincan::Descriptor> receive_file(int socket) {
  FileMessage received;
  if (::recvmsg(socket, &received.message, MSG_CMSG_CLOEXEC) <= 0) return std::nullopt;
  const cmsghdr* const header = CMSG_FIRSTHDR(&received.message);
  int file = -1;
  if (header != nullptr) std::memcpy(&file, CMSG_DATA(header), sizeof file);
  return tincan::Descriptor(file);
}

}  // namespace bench
