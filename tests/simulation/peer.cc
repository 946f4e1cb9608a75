#include "simulation/peer.h"

#include <cstring>

namespace tincan::simulation {

namespace {

constexpr int descriptor_base = 1 << 24;  // far above what any process can have open
constexpr std::size_t small_bytes_max = 60'000;

std::size_t reply_bytes(std::size_t bytes) { return bytes * 2 / 3; }

}  // namespace

std::string content(int number, std::size_t bytes) {
  std::string text(bytes + 8, '\0');
  std::uint64_t state = static_cast<std::uint64_t>(number) * 0x9E3779B97F4A7C15u + 1;
  for (std::size_t i = 0; i < bytes; i += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::memcpy(text.data() + i, &state, 8);
  }
  text.resize(bytes);
  return text;
}

Universe::Universe(std::uint64_t seed) : random(seed) {
  static constexpr std::size_t capacities[] = {64, 1'000, 20'000, 200'000};
  weather.capacity = capacities[random.below(4)];
  weather.short_once_in = 2 + random.below(10);
  weather.again_once_in = 2 + random.below(10);
  kills = random.once_in(2);
  drains = random.once_in(3);
  gives_up = random.once_in(2);
  expires = random.once_in(3);
  large = weather.capacity > 1'000 && random.once_in(3);
  calls_in_flight_max = static_cast<std::uint32_t>(1 + random.below(random.once_in(2) ? 3 : 60));
  descriptors_max = random.once_in(2) ? 0 : 8;
  incoming_bytes_max = random.once_in(4) ? 200'000 : limits::incoming_bytes_max;
  clock_offset = random.once_in(3) ? 3'600'000'000'000 : 0;
}

Peer::Peer(Universe& universe, int end)
    : universe_(universe), pool_(PayloadPool::create()), end_(end) {
  Random& random = universe.random;
  const std::size_t count = 5 + random.below(40);
  for (std::size_t i = 0; i < count; ++i) {
    Job& job = jobs.emplace_back(static_cast<int>(2 * i) + end);
    const bool is_large = universe.large && random.once_in(8);
    job.payload = content(job.number, random.below(is_large ? 300 * 1024 : 200));
    job.one_way = random.once_in(4);
    job.descriptors = random.once_in(4) ? random.below(universe.descriptors_max + 1) : 0;
    job.may_expire = universe.expires && random.once_in(3);
  }
}

Peer::~Peer() {
  session_.reset();
  pool_->drop();
}

void Peer::connect(Connection& connection) {
  connection_ = &connection;
  session_.reset();
  unread_.clear();
  held_.clear();
  cannot_write_ = false;
  last_small_ = 0;
  // The first end is a client: it never stops reading. Were both to, both could wait for ever.
  const bool is_server = end_ == 1;
  settings_ = {.calls_in_flight_max = universe_.calls_in_flight_max,
               .descriptors_max = universe_.descriptors_max,
               .incoming_bytes_max = is_server ? universe_.incoming_bytes_max : UINT64_MAX,
               .outgoing_bytes_pause = is_server ? 100'000 : UINT64_MAX,
               .clock_offset_nanoseconds = is_server ? 0 : universe_.clock_offset};
  session_ = std::make_unique<protocol::Session>(settings_, *pool_, *this);
}

void Peer::die() {
  connection_->close(end_);
  connection_ended("died");
}

void Peer::connection_ended(const char* why) {
  session_->end(Failure(Cause::closed, why));
  held_.clear();
  session_.reset();
}

bool Peer::read() {
  if (!session_) return false;
  if (!session_->wants_input()) {
    if (cannot_write_) die();  // EPOLLHUP: what it waits for will not be read
    return false;
  }
  auto read = connection_->to(end_).read(128 * 1024, universe_.random, universe_.weather);
  if (read.trouble == Trouble::again && unread_.empty()) return false;
  if (read.trouble == Trouble::reset || (read.trouble == Trouble::none && read.bytes.empty())) {
    connection_->close(end_);
    connection_ended("the end");
    return true;
  }
  session_->arrived(std::move(read.descriptors));
  unread_.insert(unread_.end(), read.bytes.begin(), read.bytes.end());
  const auto consumed = session_->receive(unread_);
  if (!consumed) {
    universe_.expect(false, "breach without a liar: " + consumed.error().detail());
    die();
    return true;
  }
  unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(*consumed));
  return *consumed > 0 || !read.bytes.empty();
}

bool Peer::write() {
  if (!session_ || cannot_write_) return false;
  const auto chunk = session_->output();
  if (chunk.bytes.empty()) return false;
  const auto written = connection_->from(end_).write(chunk.bytes, chunk.descriptors,
                                                     universe_.random, universe_.weather);
  if (written.trouble == Trouble::gone) cannot_write_ = true;  // and go on reading
  if (written.trouble != Trouble::none) return false;
  session_->written(written.bytes);
  return true;
}

bool Peer::start_a_job() {
  if (!session_ || session_->expects_hello() || session_->peer_is_draining()) return false;
  for (Job& job : jobs) {
    if (job.state != Job::State::idle) continue;
    job.call = std::make_unique<protocol::OutgoingCall>();
    job.call->method = job.method;
    job.call->payload = std::as_bytes(std::span(job.payload));
    job.call->one_way = job.one_way;
    for (std::size_t i = 0; i < job.descriptors; ++i) {
      job.call->descriptors.emplace_back(descriptor_base + job.number * 100 + static_cast<int>(i));
    }
    if (job.may_expire) {
      job.call->deadline = now() + std::chrono::microseconds(universe_.random.below(2000));
    }
    job.state = Job::State::in_flight;
    const auto started = session_->start(*job.call);
    universe_.expect(started.has_value(), "a call that should start did not");
    if (!started) job.state = Job::State::not_sent;
    return true;
  }
  return false;
}

Job& Peer::job_of(const protocol::OutgoingCall& call) {
  return jobs[static_cast<std::size_t>(std::stoi(std::string(call.method)) / 2)];
}

void Peer::settle(Job& job, Job::State state) {
  universe_.expect(job.state == Job::State::in_flight, "job " + job.method + " ended twice");
  job.state = state;
}

void Peer::on_end(protocol::OutgoingCall& outgoing, Failure* why) {
  Job& job = job_of(outgoing);
  universe_.expect(job.call.get() == &outgoing, "the end of a call that is not in flight");
  if (why == nullptr) {
    const auto bytes = outgoing.answer.payload.bytes();
    const std::string expected =
        job.one_way ? "" : content(job.number + 1'000'000, reply_bytes(job.payload.size()));
    universe_.expect(std::ranges::equal(bytes, std::as_bytes(std::span(expected))),
                     "a wrong reply to job " + job.method);
    return settle(job, job.one_way ? Job::State::sent : Job::State::replied);
  }
  const Failure& failure = *why;
  if (failure.outcome() == Outcome::declared) return settle(job, Job::State::declared);
  if (failure.outcome() == Outcome::unknown) return settle(job, Job::State::unknown);
  const bool is_to_be_tried_again =
      failure.cause() == Cause::closed || failure.cause() == Cause::draining;
  settle(job, is_to_be_tried_again ? Job::State::idle : Job::State::not_sent);
}

void Peer::give_up_one() {
  if (!session_) return;
  Job& job = jobs[universe_.random.below(jobs.size())];
  if (job.state != Job::State::in_flight) return;
  if (session_->give_up(*job.call)) {
    settle(job, Job::State::not_sent);
  } else if (universe_.random.once_in(2)) {
    session_->abandon(*job.call);
    settle(job, Job::State::unknown);
  }
  // Else the verdict is waited for.
  if (job.is_over()) job.call.reset();  // whatever still points to it is found by the sanitizer
}

void Peer::check_order(const protocol::IncomingCall& call) {
  if (call.payload.bytes().size() > small_bytes_max) return;
  const std::uint64_t sequence = wire::CallId::of(call.id).sequence;
  universe_.expect(sequence > last_small_, "calls out of order");
  last_small_ = sequence;
}

void Peer::on_call(protocol::IncomingCall&& call) {
  const int number = std::stoi(std::string(call.method));
  const auto bytes = call.payload.bytes();
  const std::string expected = content(number, bytes.size());
  universe_.expect(std::ranges::equal(bytes, std::as_bytes(std::span(expected))),
                   "a wrong payload of job " + std::to_string(number));
  for (std::size_t i = 0; i < call.descriptors.size(); ++i) {
    universe_.expect(
        call.descriptors[i].get() == descriptor_base + number * 100 + static_cast<int>(i),
        "a descriptor of another job");
  }
  check_order(call);
  if (universe_.random.once_in(20)) {  // refused before it is run
    session_->fail(call.id, {.reason = wire::Reason::refused, .code = 0, .text = "no"});
    session_->release(bytes.size(), call.one_way);
    return;
  }
  ran.insert(number);
  held_.push_back({call.id, number, bytes.size(), call.one_way});
  if (universe_.random.once_in(2)) answer_one();
}

bool Peer::answer_one() {
  if (!session_ || held_.empty()) return false;
  std::swap(held_.front(), held_[universe_.random.below(held_.size())]);
  const Held held = held_.front();
  held_.pop_front();
  if (universe_.random.once_in(10)) {
    session_->fail(held.id, {.reason = wire::Reason::declared, .code = 1, .text = "sorry"});
  } else if (!held.one_way) {
    const std::string reply = content(held.number + 1'000'000, reply_bytes(held.bytes));
    session_->reply(held.id, std::as_bytes(std::span(reply)), {});
  }
  session_->release(held.bytes, held.one_way);
  return true;
}

bool Peer::is_finished() const { return std::ranges::all_of(jobs, &Job::is_over) && held_.empty(); }

}  // namespace tincan::simulation
