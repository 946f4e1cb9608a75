#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::bytes_of;
using test::Call;
using test::Side;
using wire::test::pattern;

struct Step {
  enum Kind { start, deliver_there, deliver_back, answer, give_up, abandon, drain, later, kinds };
  int kind = start;
  std::size_t size = 0;
  std::size_t which = 0;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  static const char* const names[] = {"start",   "there",   "back",  "answer",
                                      "give up", "abandon", "drain", "later"};
  return out << names[step.kind] << " " << step.size << " " << step.which;
}

rc::Gen<Step> any_step() {
  const auto size =
      rc::gen::weightedOneOf<std::size_t>({{10, rc::gen::inRange<std::size_t>(0, 100)},
                                           {1, rc::gen::inRange<std::size_t>(60'000, 70'000)},
                                           {1, rc::gen::inRange<std::size_t>(0, 300 * 1024)}});
  const auto kind = rc::gen::weightedElement<int>({{6, Step::start},
                                                   {8, Step::deliver_there},
                                                   {8, Step::deliver_back},
                                                   {6, Step::answer},
                                                   {2, Step::give_up},
                                                   {1, Step::abandon},
                                                   {1, Step::later}});
  return rc::gen::build<Step>(rc::gen::set(&Step::kind, kind), rc::gen::set(&Step::size, size),
                              rc::gen::set(&Step::which, rc::gen::inRange<std::size_t>(0, 1000)));
}

/// Two sessions, and what is known of each call: what it carried, whether it ran, how it ended.
class World {
 public:
  World() {
    converse(client_, server_);
    server_.answer = [this](test::Received& got) { ran_.insert(number_of(got.method)); };
  }

  void take(const Step& step) {
    switch (step.kind) {
      case Step::start:
        return start(step);
      case Step::deliver_there:
        client_.send(server_, step.size * 3 / 2 + 1);
        return;
      case Step::deliver_back:
        server_.send(client_, step.size * 3 / 2 + 1);
        return;
      case Step::answer:
        return answer(step.which);
      case Step::give_up:
        return give_up(step.which, false);
      case Step::abandon:
        return give_up(step.which, true);
      case Step::later:
        server_.time = server_.time + std::chrono::milliseconds(step.which);
        return;
      default:
        return;
    }
  }

  void drain() { server_.session.drain(); }

  /// The connection is cut: nothing that is under way arrives, all that was written may have run.
  void cut() {
    client_.session.end(Failure(Cause::closed));
    server_.session.end(Failure(Cause::closed));
  }

  /// Nothing goes wrong any more, so everything must come to its end.
  void finish() {
    for (bool busy = true; busy;) {
      converse(client_, server_);
      busy = unanswered_ < server_.calls.size();
      while (unanswered_ < server_.calls.size()) answer(0);
    }
    RC_ASSERT(!client_.failure.has_value());
    RC_ASSERT(!server_.failure.has_value());
    RC_ASSERT(client_.session.calls_in_flight() == 0u);
    RC_ASSERT(server_.session.calls_to_answer() == 0u);
    RC_ASSERT(client_.session.unsent_bytes() == 0u);
  }

  void check() const {
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const Call& call = calls_[i];
      const bool over = taken_back_.contains(i);
      RC_ASSERT(call.ends + (over ? 1 : 0) == 1);
      if (call.replied() && !call.one_way) {
        RC_ASSERT(ran_.contains(i));
        RC_ASSERT(call.reply() == answer_to(i, call.payload.size()));
      }
      const bool not_sent =
          not_sent_.contains(i) ||
          (call.result && !*call.result && call.result->error().outcome() == Outcome::not_sent);
      RC_ASSERT(!(not_sent && ran_.contains(i)));
    }
    std::set<std::size_t> once;
    for (const auto& got : server_.calls) {
      const std::size_t number = number_of(got.method);
      RC_ASSERT(once.insert(number).second);
      RC_ASSERT(got.payload == pattern(got.payload.size(), static_cast<std::uint32_t>(number)));
      RC_ASSERT(got.payload.size() == calls_[number].payload.size());
    }
  }

 private:
  static std::size_t number_of(const std::string& method) { return std::stoul(method); }
  static std::string answer_to(std::size_t number, std::size_t bytes) {
    return pattern(bytes * 2 / 3, static_cast<std::uint32_t>(number + 1'000'000));
  }

  void start(const Step& step) {
    const std::size_t number = calls_.size();
    Call& call = calls_.emplace_back(std::to_string(number),
                                     pattern(step.size, static_cast<std::uint32_t>(number)));
    call.one_way = step.which % 5 == 0;
    if (step.which % 7 == 0) {
      call.deadline = server_.time + std::chrono::milliseconds(step.which % 100 * 10);
    }
    if (!client_.session.start(call)) taken_back_.insert(number), not_sent_.insert(number);
  }

  void answer(std::size_t which) {
    if (unanswered_ == server_.calls.size()) return;
    std::swap(server_.calls[unanswered_],
              server_.calls[unanswered_ + which % (server_.calls.size() - unanswered_)]);
    const test::Received& got = server_.calls[unanswered_++];
    const std::string reply = answer_to(number_of(got.method), got.payload.size());
    if (!got.one_way) server_.session.reply(got.id, bytes_of(reply), {});
  }

  void give_up(std::size_t which, bool for_good) {
    if (calls_.empty()) return;
    const std::size_t number = which % calls_.size();
    Call& call = calls_[number];
    if (call.ends > 0 || taken_back_.contains(number)) return;
    if (client_.session.give_up(call)) {
      taken_back_.insert(number);
      not_sent_.insert(number);
    } else if (for_good) {
      client_.session.abandon(call);
      taken_back_.insert(number);
    }
  }

  std::deque<Call> calls_;
  std::set<std::size_t> ran_;
  std::set<std::size_t> taken_back_;
  std::set<std::size_t> not_sent_;
  std::size_t unanswered_ = 0;
  Side client_;
  Side server_;
};

RC_GTEST_PROP(RandomSession, KeepsTheContractToItsEnd, ()) {
  const auto steps = *rc::gen::container<std::vector<Step>>(any_step());
  World world;
  for (const Step& step : steps) world.take(step);
  world.finish();
  world.check();
}

RC_GTEST_PROP(RandomSession, KeepsTheContractThroughADrain, ()) {
  const auto steps = *rc::gen::container<std::vector<Step>>(any_step());
  const auto at = *rc::gen::inRange<std::size_t>(0, steps.size() + 1);
  World world;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (i == at) world.drain();
    world.take(steps[i]);
  }
  world.drain();
  world.finish();
  world.check();
}

RC_GTEST_PROP(RandomSession, KeepsTheContractWhenItIsCut, ()) {
  const auto steps = *rc::gen::container<std::vector<Step>>(any_step());
  World world;
  for (const Step& step : steps) world.take(step);
  world.cut();
  world.check();
}

}  // namespace
}  // namespace tincan::protocol
