#pragma once

#include <string>
#include <string_view>

#include "tincan/options.h"
#include "tincan/peer.h"

/// Who may connect or call. Nothing here that a server does per connection looks up a name: that
/// may ask a directory service over the network, and so belongs to set-up and to clients.
namespace tincan::path {

/// True when a rule of `allow` admits `peer`, or there is no rule, or `peer` is inherited.
[[nodiscard]] bool admits(const AllowList& allow, const Peer& peer);

/// The rules for people: "group ops (1005), uid 1000 (ann)". Looks names up: once, at set-up.
[[nodiscard]] std::string describe(const AllowList& allow);

/// What a server tells whom it refuses: "uid 1002 matches no rule; allowed: group ops (1005)".
/// `rules` comes from `describe`. Looks nothing up.
[[nodiscard]] std::string refusal(const Peer& peer, std::string_view rules);

/// For the client that reads such a refusal: puts its own user's name behind its own uid.
[[nodiscard]] std::string with_own_name(std::string_view refusal);

}  // namespace tincan::path
