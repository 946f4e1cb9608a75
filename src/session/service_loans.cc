#include "os/user.h"
#include "path/access.h"
#include "session/service.h"

// Whom a server trusts with shared views, and lends memory of its own.

namespace tincan::session {

const protocol::Settings& Service::settings_for(const Peer& peer) const {
  const bool trusts = options.shared_views_from && path::admits(*options.shared_views_from, peer);
  return trusts ? trusting_settings : session_settings;
}

bool Service::lends_to(const Peer& peer) const {
  const auto uid = peer.uid();
  if (uid && (*uid == 0 || *uid == os::own_uid())) return true;
  return options.lend_to && path::admits(*options.lend_to, peer);
}

}  // namespace tincan::session
