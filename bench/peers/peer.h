#pragma once

#include <algorithm>
#include <map>
#include <stdexcept>

#include "trial/peer.h"
#include "ways/end.h"

/// What the programs of this folder have in common. Each is one library, used as its guide says, at
/// the tasks of `tincan bench`.
namespace bench {

/// None of them lends memory that lives longer than a message.
class PeerCaller : public Caller {
 public:
  void pass(const Messages&, std::uint64_t) override {
    throw std::runtime_error("no payloads are passed this way");
  }
};

/// Throws WrongMessage unless an answer fills its room.
inline void take_answer(std::span<const std::byte> came, std::span<std::byte> answer) {
  if (came.size() != answer.size()) throw WrongMessage("an answer of another size");
  std::ranges::copy(came, answer.begin());
}

/// A receiver for each client, for libraries that tell who has sent a message and not which
/// connection it came through.
template <class Key>
class Receivers {
 public:
  explicit Receivers(const Task& task) : task_(task) {}
  Receiver& of(const Key& client) {
    if (task_.work == Work::set_up) receivers_.clear();  // each message is a client's first one
    const auto known = receivers_.find(client);
    if (known != receivers_.end()) return known->second;
    // Not made before it is needed: that costs more than a round trip.
    return receivers_.emplace(client, receiver_for(task_)).first->second;
  }

 private:
  const Task task_;
  std::map<Key, Receiver> receivers_;
};

}  // namespace bench
