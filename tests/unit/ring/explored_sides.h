#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "unit/ring/explorer.h"

/// What the two sides do in the explored scenarios, written as a user of a ring would write it; for
/// `End` there is the real one, or one that is broken on purpose.
namespace tincan::ring::test {

using ModelEnd = BasicEnd<ModelAtomics>;

/// False: the other side is dead.
template <class End>
bool wait_for(Actor& actor, End& end, std::uint32_t what) {
  if (!end.fall_asleep(what)) return true;
  const Wake wake = actor.wait();
  end.wake_up();
  if (wake == Wake::peer_is_dead) actor.facts.heard_of_death = true;
  return wake != Wake::peer_is_dead;
}

/// Takes up to `bytes_max` bytes; gives how many.
template <class End>
std::size_t take(Actor& actor, End& end, std::string_view expected, std::size_t bytes_max) {
  std::string part(bytes_max, '\0');
  part.resize(end.read(std::as_writable_bytes(std::span(part))));
  actor.facts.received += part;
  actor.expect(expected.starts_with(actor.facts.received), "it received what was not sent");
  actor.expect(!end.is_breached(), "it calls an honest side a liar");
  if (end.release()) actor.ring();
  return part.size();
}

/// Puts one message in, or what fits of it, and publishes; gives how much.
template <class End>
std::size_t put(Actor& actor, End& end, std::string_view message) {
  const std::size_t count = end.write(std::as_bytes(std::span(message)));
  if (end.publish()) actor.ring();
  actor.expect(!end.is_breached(), "it calls an honest side a liar");
  return count;
}

struct Talk {
  std::string_view sends;
  std::string_view expects;
  std::size_t message_bytes = 1;
  std::size_t read_bytes = 2;
  bool reads_after_a_death = true;  ///< Broken without.
  bool stops_at_a_death = true;     ///< Broken without.
};

/// Sends and receives until all of it is over, and sleeps when neither goes on.
template <class End = ModelEnd>
Code talk(Talk talk) {
  return [talk](Actor& actor) {
    End end = actor.end<End>();
    std::string_view rest = talk.sends;
    while (!rest.empty() || actor.facts.received.size() < talk.expects.size()) {
      std::size_t moved = 0;
      if (!rest.empty()) moved = put(actor, end, rest.substr(0, talk.message_bytes));
      rest.remove_prefix(moved);
      const bool expects_more = actor.facts.received.size() < talk.expects.size();
      if (expects_more) moved += take(actor, end, talk.expects, talk.read_bytes);
      if (moved > 0) continue;
      const std::uint32_t what =
          (rest.empty() ? 0u : sleeps_for_room) | (expects_more ? sleeps_for_bytes : 0u);
      if (wait_for(actor, end, what) || !talk.stops_at_a_death) continue;
      // What a dead side has published counts.
      while (talk.reads_after_a_death && take(actor, end, talk.expects, talk.read_bytes) > 0)
        continue;
      return;
    }
  };
}

/// Sends one byte at a time, and looks behind each, and whenever it wakes, whether the other side
/// has revoked.
template <class End = ModelEnd>
Code send_until_revoked(std::string_view bytes) {
  return [bytes](Actor& actor) {
    End end = actor.end<End>();
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const std::size_t count = put(actor, end, rest.substr(0, 1));
      rest.remove_prefix(count);
      if (count == 0) (void)wait_for(actor, end, sleeps_for_room);
      actor.facts.saw_revocation = end.is_revoked_by_peer();
      if (actor.facts.saw_revocation) return;
      actor.facts.sent = end.written();
    }
  };
}

/// Sleeps for anything, until the other side has revoked.
template <class End = ModelEnd>
Code sleep_until_revoked() {
  return [](Actor& actor) {
    End end = actor.end<End>();
    while (!end.is_revoked_by_peer()) (void)wait_for(actor, end, sleeps_for_bytes);
    actor.facts.saw_revocation = true;
  };
}

/// Takes what was published before it revoked; then nothing more, whatever else it does.
template <class End>
void revoke_and_drain(Actor& actor, End& end, std::string_view expected) {
  if (end.revoke()) actor.ring();
  const std::uint64_t last = end.last_readable();  // what it says on the socket
  while (take(actor, end, expected, 1) > 0) continue;
  if (end.fall_asleep(sleeps_for_bytes)) end.wake_up();
  (void)take(actor, end, expected, capacity_max);
  actor.expect(end.consumed() == last, "it reads past where it said that it ends");
}

/// Receives, revokes at some moment, and takes what was published before.
template <class End = ModelEnd>
Code receive_and_revoke(std::string_view expected) {
  return [expected](Actor& actor) {
    End end = actor.end<End>();
    while (actor.facts.received.size() < expected.size() && actor.choose(2) == 0) {
      if (take(actor, end, expected, capacity_max) == 0) {
        (void)wait_for(actor, end, sleeps_for_bytes);
      }
    }
    revoke_and_drain(actor, end, expected);
  };
}

template <class End = ModelEnd>
Code revoke_at_once(std::string_view expected) {
  return [expected](Actor& actor) {
    End end = actor.end<End>();
    revoke_and_drain(actor, end, expected);
  };
}

/// Sends two bytes; the second comes with descriptors.
template <class End = ModelEnd>
Code announce_descriptors() {
  return [](Actor& actor) {
    End end = actor.end<End>();
    put(actor, end, "a");
    end.announce_descriptors();
    put(actor, end, "b");
  };
}

template <class End = ModelEnd>
Code receive_descriptors() {
  return [](Actor& actor) {
    End end = actor.end<End>();
    for (int looks = 0; looks < 2; ++looks) {
      (void)take(actor, end, "ab", 2);
      const std::uint32_t sets = end.peer_descriptor_sets();
      actor.expect(sets >= actor.facts.received.size() / 2, "bytes without their descriptors");
    }
  };
}

}  // namespace tincan::ring::test
