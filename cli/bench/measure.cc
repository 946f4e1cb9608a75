#include "bench/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>

#include "sizes.h"
#include "trial/busy.h"
#include "trial/open_files.h"
#include "trial/spread.h"
#include "trial/trial.h"

namespace cli {

using bench::Round;
using bench::Spread;
using bench::Trial;
using bench::Work;

namespace {

using BenchClock = std::chrono::steady_clock;

/// The least that tells anything of how much they differ.
constexpr unsigned rounds_min = 3;
constexpr std::uint64_t idle_connections = 1000;
constexpr std::uint64_t other_files = 100;
/// By how much the kernel's memory may change while nobody does anything.
constexpr std::size_t settled_bytes = std::size_t{64} << 10;
/// Larger payloads are not kept by all rows at once: each begins anew with each round.
constexpr std::size_t kept_payload_bytes_max = std::size_t{64} << 20;
/// System calls are counted over so many operations, or what takes so long.
constexpr std::uint64_t counted_operations_max = 200;
constexpr std::chrono::nanoseconds counted_time = std::chrono::milliseconds(10);

double per_operation(double value, const Round& round) {
  return value / static_cast<double>(std::max<std::uint64_t>(1, round.operations));
}

/// What a round says of how long an operation takes: nanoseconds.
double time_of_round(const Round& round) {
  if (round.times.count() > 0) return static_cast<double>(round.times.quantile(0.5).count());
  return per_operation(static_cast<double>(round.wall.count()), round);
}

/// The kernel frees what others have left a moment later.
std::size_t settled_kernel_bytes() {
  std::size_t before = bench::kernel_bytes();
  for (int looks = 0; looks < 20; ++looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::size_t bytes = bench::kernel_bytes();
    if (std::max(before, bytes) - std::min(before, bytes) <= settled_bytes) return bytes;
    before = bytes;
  }
  return before;
}

Json json_of_spread(const Spread& spread) {
  return {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

Json json_of_times(const bench::Histogram& times) {
  return {{"p50", times.quantile(0.5).count()},  {"p90", times.quantile(0.9).count()},
          {"p99", times.quantile(0.99).count()}, {"p999", times.quantile(0.999).count()},
          {"max", times.most().count()},         {"mean", times.mean().count()}};
}

Json buckets_of(const bench::Histogram& times) {
  Json buckets = Json::array();
  for (const auto& bucket : times.buckets()) {
    buckets.push_back(Json::array({bucket.longest, bucket.count}));
  }
  return buckets;
}

}  // namespace

/// One way, and what its rounds came to.
class MeasuredRow {
 public:
  MeasuredRow(const PlannedRow& planned, const PlannedTable& table)
      : planned_(planned), table_(table) {}

  [[nodiscard]] bool is_measured() const { return planned_.left_out.empty() && failed_.empty(); }
  [[nodiscard]] const std::string& name() const { return planned_.way->name; }

  /// Starts it; the first time, finds out how many operations a round has.
  void begin(std::chrono::nanoseconds round_time) {
    attempt([&] {
      start();
      if (table_.work == Work::idle) return measure_idle();
      if (operations_ == 0) operations_ = operations_in(round_time);
      if (!is_kept()) trial_.reset();
    });
  }

  void run_round() {
    attempt([&] {
      if (!trial_) start();
      if (!is_large()) trial_->warm_up();
      rounds_.push_back(trial_->run(operations_, table_.rate.value_or(0)));
      times_.add(rounds_.back().times);
      if (!is_kept()) trial_.reset();
    });
  }

  void count_system_calls() {
    attempt([&] {
      if (rounds_.empty() || table_.work == Work::idle || is_large()) return;
      if (!trial_) start();
      const double time = std::max(
          1.0, per_operation(static_cast<double>(rounds_.back().wall.count()), rounds_.back()) *
                   table_.clients);
      const auto fitting =
          static_cast<std::uint64_t>(static_cast<double>(counted_time.count()) / time);
      system_calls_ = trial_->system_calls_an_operation(
          std::clamp<std::uint64_t>(fitting, 1, counted_operations_max));
    });
  }

  /// Until the next pass.
  void end() {
    trial_.reset();
    passes_end_at_.push_back(rounds_.size());
  }

  [[nodiscard]] Json result(const MeasuredRow* baseline) const {
    Json row = {{"way", name()}, {"does", planned_.way->does}, {"bytes", planned_.bytes}};
    if (!planned_.left_out.empty()) {
      row["left_out"] = planned_.left_out;
    } else if (!failed_.empty()) {
      row["failed"] = failed_;
    } else if (table_.work == Work::idle) {
      row["memory"] = {{"server_bytes", server_bytes_}, {"kernel_bytes", kernel_bytes_}};
    } else {
      add_figures(row, baseline);
    }
    return row;
  }

 private:
  void start() {
    const bench::Task task = {
        .work = table_.work, .bytes = planned_.bytes, .clients = table_.clients, .directory = {}};
    trial_ = std::make_unique<Trial>(*planned_.way, task, table_.placement);
  }

  /// With a rate, as many as are due in that time.
  [[nodiscard]] std::uint64_t operations_in(std::chrono::nanoseconds time) {
    if (!table_.rate) return trial_->operations_in(time);
    const double seconds = std::chrono::duration<double>(time).count();
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(seconds * *table_.rate));
  }

  [[nodiscard]] bool is_kept() const {
    if (planned_.way->is_alone) return false;
    return !is_large();
  }
  [[nodiscard]] bool is_large() const {
    return table_.work == Work::payload && planned_.bytes > kept_payload_bytes_max;
  }

  template <class Step>
  void attempt(Step step) {
    if (!is_measured()) return;
    try {
      step();
    } catch (const bench::TrialFailed& failure) {
      fail(failure.why());
    } catch (const std::exception& failure) {
      fail(failure.what());
    }
  }

  void fail(const std::string& why) {
    failed_ = why;
    trial_.reset();
  }

  /// What one more connection takes of the server's memory, and of the kernel's.
  void measure_idle() {
    if (bench::open_files_max() < idle_connections + other_files) {
      throw std::runtime_error(fmt::format("needs {} open files, and may have {} (ulimit -n)",
                                           idle_connections + other_files,
                                           bench::open_files_max()));
    }
    const std::size_t server_before = trial_->run(1).server_bytes;
    const std::size_t kernel_before = settled_kernel_bytes();
    const std::size_t server_after = trial_->run(idle_connections).server_bytes;
    const std::size_t kernel_after = settled_kernel_bytes();
    server_bytes_ = (server_after - std::min(server_before, server_after)) / idle_connections;
    kernel_bytes_ = (kernel_after - std::min(kernel_before, kernel_after)) / idle_connections;
    trial_.reset();
  }

  void add_figures(Json& row, const MeasuredRow* baseline) const {
    std::uint64_t operations = 0;
    std::uint64_t switches = 0;
    std::vector<double> rates;
    std::vector<double> client_cpu;
    std::vector<double> server_cpu;
    for (const Round& round : rounds_) {
      operations += round.operations;
      switches += round.switches;
      rates.push_back(
          1e9 / std::max(1e-3, per_operation(static_cast<double>(round.wall.count()), round)));
      client_cpu.push_back(per_operation(static_cast<double>(round.client_cpu.count()), round));
      server_cpu.push_back(per_operation(static_cast<double>(round.server_cpu.count()), round));
    }
    const Spread rate = bench::spread_of(rates);
    row["rounds"] = rounds_.size();
    row["operations"] = operations;
    row["time"] = times_.count() > 0 ? json_of_times(times_) : Json();
    row["per_second"] = json_of_spread(rate);
    row["bytes_per_second"] = rate.median * static_cast<double>(planned_.bytes);
    row["cpu"] = {{"client", bench::spread_of(client_cpu).median},
                  {"server", bench::spread_of(server_cpu).median}};
    row["switches"] = static_cast<double>(switches) / static_cast<double>(operations);
    row["system_calls"] = system_calls_ ? Json(*system_calls_) : Json();
    row["ratio"] = ratio_to(baseline);
    row["memory"] = Json();
    row["histogram"] = buckets_of(times_);
  }

  [[nodiscard]] Json ratio_to(const MeasuredRow* baseline) const {
    if (baseline == nullptr || baseline->rounds_.size() != rounds_.size()) return {};
    std::vector<std::vector<double>> passes;
    std::size_t round = 0;
    for (const std::size_t end : passes_end_at_) {
      std::vector<double>& ratios = passes.emplace_back();
      for (; round < end; ++round) {
        ratios.push_back(std::max(1.0, time_of_round(rounds_[round])) /
                         std::max(1.0, time_of_round(baseline->rounds_[round])));
      }
    }
    return json_of_spread(bench::expected_of(passes));
  }

  const PlannedRow& planned_;
  const PlannedTable& table_;
  std::unique_ptr<Trial> trial_;
  std::uint64_t operations_ = 0;
  std::vector<Round> rounds_;
  std::vector<std::size_t> passes_end_at_;  ///< Each behind the last of its rounds.
  bench::Histogram times_;
  std::optional<double> system_calls_;
  std::size_t server_bytes_ = 0;
  std::size_t kernel_bytes_ = 0;
  std::string failed_;
};

Json head_of(const PlannedTable& table) {
  return {{"work", name_of(table.work)},
          {"bytes", table.bytes},
          {"placement", name_of(table.placement)},
          {"beside", table.is_beside_load ? Json("a busy process on each CPU") : Json()},
          {"clients", table.clients},
          {"rate", table.rate ? Json(*table.rate) : Json()},
          {"baseline", table.baseline}};
}

class Measurement::Table {
 public:
  Table(const PlannedTable& table, const Plan& plan) : table_(table), plan_(plan) {
    for (const PlannedRow& row : table.rows)
      rows_.push_back(std::make_unique<MeasuredRow>(row, table));
  }

  void run_pass(unsigned pass, const TableProgress& progress) {
    if (table_.work == Work::idle && pass > 0) return;
    begin(progress);
    if (table_.work != Work::idle) run_rounds(rounds_of(pass), progress);
    const bool is_last = pass + 1 == plan_.passes;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      progress(0.9 + 0.1 * share(i), "ending " + rows_[i]->name());
      if (is_last) rows_[i]->count_system_calls();
      rows_[i]->end();
    }
  }

  [[nodiscard]] Json result() const {
    Json table = head_of(table_);
    const MeasuredRow* const baseline = baseline_row();
    for (const auto& row : rows_) table["rows"].push_back(row->result(baseline));
    return table;
  }

 private:
  [[nodiscard]] double share(std::size_t row) const {
    return static_cast<double>(row) / static_cast<double>(rows_.size());
  }

  [[nodiscard]] unsigned rounds_of(unsigned pass) const {
    return plan_.rounds / plan_.passes + (pass < plan_.rounds % plan_.passes);
  }

  void begin(const TableProgress& progress) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      progress(0.2 * share(i), "starting " + rows_[i]->name());
      rows_[i]->begin(plan_.round_time);
    }
  }

  /// Each begins with another row, so that none is always behind the same one.
  void run_rounds(unsigned rounds, const TableProgress& progress) {
    std::unique_ptr<bench::BusyProcesses> busy;
    if (table_.is_beside_load) busy = std::make_unique<bench::BusyProcesses>();
    const auto start = BenchClock::now();
    const std::chrono::nanoseconds time = plan_.table_time / plan_.passes;
    for (unsigned round = 0; round < rounds; ++round) {
      if (round * plan_.passes >= rounds_min && BenchClock::now() - start > time) break;
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        const double by_count = (round + share(i)) / rounds;
        const double by_time = static_cast<double>((BenchClock::now() - start).count()) /
                               static_cast<double>(time.count());
        MeasuredRow& row = *rows_[(i + round) % rows_.size()];
        progress(0.2 + 0.7 * std::min(1.0, std::max(by_count, by_time)), row.name());
        row.run_round();
      }
    }
  }

  [[nodiscard]] const MeasuredRow* baseline_row() const {
    for (const auto& row : rows_) {
      if (row->name() == table_.baseline && row->is_measured()) return row.get();
    }
    return nullptr;
  }

  const PlannedTable& table_;
  const Plan& plan_;
  std::vector<std::unique_ptr<MeasuredRow>> rows_;
};

Measurement::Measurement(const PlannedTable& table, const Plan& plan)
    : table_(std::make_unique<Table>(table, plan)) {}
Measurement::Measurement(Measurement&&) noexcept = default;
Measurement::~Measurement() = default;

void Measurement::run_pass(unsigned pass, const TableProgress& progress) {
  table_->run_pass(pass, progress);
}

Json Measurement::result() const { return table_->result(); }

}  // namespace cli
