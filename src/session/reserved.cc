#include <string>

#include "os/user.h"
#include "session/service.h"

namespace tincan::session {

namespace {

/// What was handed over comes back as a copy of ours, so it is no larger than what comes as one.
void ping(const Service& service, Request& request) {
  const std::uint64_t most = service.options.payload_bytes_max;
  const std::size_t bytes = request.payload().size();
  if (bytes <= most) {
    request.reply(request.payload());
    return;
  }
  request.fail("tincan.ping sends a payload of " + std::to_string(bytes) +
               " bytes back as a copy: at most " + std::to_string(most) +
               ", the largest request that this server takes");
}

void methods(const Service& service, Request& request) {
  std::string names;
  for (const std::string_view name : service.method_names()) {
    names += name;
    names += '\n';
  }
  request.reply(names);
}

/// One "name value" a line: readable by people, and by awk.
void stats(const Service& service, Request& request) {
  const Server::Counts counts = service.counts();
  std::string text;
  const auto line = [&](std::string_view name, std::uint64_t value) {
    text.append(name).append(" ").append(std::to_string(value)).append("\n");
  };
  line("connections", counts.connections);
  line("rings", counts.rings);
  line("accepted", counts.accepted);
  line("refused", counts.refused);
  line("calls", counts.calls);
  line("replies", counts.replies);
  line("errors", counts.errors);
  line("declined", counts.declined);
  line("undeliverable", counts.undeliverable);
  line("expired", counts.expired);
  line("cancelled", counts.cancelled);
  line("breaches", counts.breaches);
  request.reply(text);
}

/// Only who could kill the server anyway may take its place: its own user, and root.
bool may_take_over(const Service& service, const Peer& peer) {
  const auto uid = peer.uid();
  const bool trusted = uid && (*uid == 0 || *uid == os::own_uid()) && !peer.inherited();
  return trusted && service.options.take_over;
}

/// Who cannot be given listener and lock is no successor.
void take_over(Service& service, Request& request) {
  if (request.one_way() || request.abandoned()) return;
  if (!may_take_over(service, request.peer())) {
    request.fail("this server lets nobody take over");
    return;
  }
  auto handed = service.hand_over(request.peer());
  if (!handed) {
    request.fail(handed.error().detail());
    return;
  }
  if (!request.reply({}, *handed)) service.keep_what_was_handed();
}

/// The successor has what it needs and serves.
void taken_over(Service& service, Request& request) {
  if (!may_take_over(service, request.peer()) || !service.let_go(request.peer())) {
    request.fail("nothing was handed over on this connection");
    return;
  }
  request.reply();
  service.stop();
}

}  // namespace

void add_reserved_methods(Service& service) {
  service.on("tincan.ping", [&](Request request) { ping(service, request); }, {});
  service.on("tincan.methods", [&](Request request) { methods(service, request); }, {});
  service.on("tincan.stats", [&](Request request) { stats(service, request); }, {});
  // Whoever drains takes no calls: that an answer comes at all is the news.
  service.on("tincan.health", [](Request request) { request.reply("ok\n"); }, {});
  service.on("tincan.take_over", [&](Request request) { take_over(service, request); }, {});
  service.on("tincan.taken_over", [&](Request request) { taken_over(service, request); }, {});
}

}  // namespace tincan::session
