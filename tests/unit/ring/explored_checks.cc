#include "unit/ring/explored_checks.h"

namespace tincan::ring::test {

std::string print(const Exploration& exploration) {
  std::string text = exploration.failure.value_or("no failure") + ", after:\n";
  for (const std::string& step : exploration.trace) text += "  " + step + "\n";
  return text;
}

Fault nobody_sleeps(const Ending& ending) {
  if (ending.sleeps[0]) return "left sleeps for ever";
  if (ending.sleeps[1]) return "right sleeps for ever";
  return {};
}

Fault everything_arrives(const Ending& ending) {
  for (const std::size_t side : {0u, 1u}) {
    if (ending.facts[side]->received.size() < ending.produced[1 - side]) {
      return ending.sleeps[side] ? "it sleeps for ever over published bytes" : "bytes are lost";
    }
  }
  return nobody_sleeps(ending);
}

Fault the_living_know(const Ending& ending) {
  if (!ending.is_dead[0] && !ending.is_dead[1]) return everything_arrives(ending);
  const std::size_t living = ending.is_dead[0] ? 1 : 0;
  if (ending.sleeps[living]) return "it sleeps for ever, and the other side is dead";
  const Facts& facts = *ending.facts[living];
  if (facts.heard_of_death && facts.received.size() != ending.produced[1 - living]) {
    return "it has not received what was published before the death";
  }
  return {};
}

Fault nothing_is_lost(const Ending& ending) {
  const Facts& sender = *ending.facts[0];
  const Facts& revoker = *ending.facts[1];
  if (!sender.saw_revocation && sender.sent != ending.produced[0]) return "left gave up";
  if (revoker.received.size() < sender.sent) {
    return "left believes to be sent what right has not received";
  }
  return nobody_sleeps(ending);
}

}  // namespace tincan::ring::test
