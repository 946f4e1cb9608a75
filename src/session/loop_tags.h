#pragma once

namespace tincan::session {

// What epoll watches besides connections; only the addresses matter.
inline char listener_tag, stop_tag, mailbox_tag;

}  // namespace tincan::session
