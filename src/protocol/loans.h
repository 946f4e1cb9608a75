#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tincan/descriptor.h"

/// Memory that is handed over: who has lent what to whom on one connection. docs/wire-format.md,
/// *Handing over*.
namespace tincan::protocol {

/// Memory of ours that messages can name instead of carrying a payload. It hears what becomes of
/// it, each time inside a call of the session's.
class Lendable {
 public:
  /// A message names it; the peer may look at it from now on.
  virtual void begin_use() = 0;
  /// The peer has released that use, or the connection has ended.
  virtual void end_use() = 0;
  /// The session knows it from now on, until `drop`.
  virtual void hold() = 0;
  virtual void drop() = 0;

 protected:
  ~Lendable() = default;
};

/// What a message of ours names.
struct Lending {
  Lendable* memory = nullptr;  ///< Null: nothing; the message has a payload.
  std::uint64_t bytes = 0;     ///< Of the payload, from the beginning of the memory.
  std::uint64_t capacity = 0;  ///< Of the memory.
  Handover kind = Handover::immutable;
  bool once = false;  ///< No other message will name it on this connection.
  Descriptor file;    ///< To be handed over, unless the peer has it: Session::has_lent.
};

/// What we have lent.
class LoansOut {
 public:
  struct Loan {
    std::uint64_t number;
    Lendable* memory;
    Handover kind;
    bool over;  ///< No further message may name it.
    std::uint32_t uses = 0;
  };

  [[nodiscard]] std::size_t size() const { return loans_.size(); }
  /// One that further messages may name; null: there is none.
  [[nodiscard]] Loan* find(const Lendable* memory) {
    return first([&](const Loan& loan) { return loan.memory == memory && !loan.over; });
  }
  [[nodiscard]] Loan* numbered(std::uint64_t number) {
    return first([&](const Loan& loan) { return loan.number == number; });
  }
  /// Takes memory only here; the number is the next one.
  Loan& add(Lendable* memory, Handover kind) {
    Loan& loan = loans_.emplace_back(Loan{last_ + 1, memory, kind, false});
    ++last_;
    memory->hold();
    return loan;
  }
  void use(Loan& loan) {
    ++loan.uses;
    loan.memory->begin_use();
  }
  void end_use(Loan& loan) {
    --loan.uses;
    loan.memory->end_use();
    forget_if_over(loan);
  }
  void forget_if_over(Loan& loan) {
    if (!loan.over || loan.uses > 0) return;
    Lendable* const memory = loan.memory;
    loan = loans_.back();
    loans_.pop_back();
    memory->drop();
  }
  /// The connection has ended.
  void end_all() {
    for (Loan& loan : loans_) loan.over = true;
    while (!loans_.empty()) {
      Loan& last = loans_.back();
      last.uses > 0 ? end_use(last) : forget_if_over(last);
    }
  }

 private:
  template <class Condition>
  [[nodiscard]] Loan* first(Condition condition) {
    const auto found = std::ranges::find_if(loans_, condition);
    return found == loans_.end() ? nullptr : &*found;
  }

  std::uint64_t last_ = 0;
  std::vector<Loan> loans_;
};

/// What the peer has lent us. At most as many as we have announced.
class LoansIn {
 public:
  struct Loan {
    std::uint64_t number;
    std::uint64_t bytes;
    Handover kind;
    bool over = false;  ///< No further message names it.
    std::uint32_t uses = 0;
  };

  [[nodiscard]] std::size_t size() const { return loans_.size(); }
  [[nodiscard]] bool is_next(std::uint64_t number) const { return number == last_ + 1; }
  [[nodiscard]] Loan* numbered(std::uint64_t number) {
    const auto found = std::ranges::find(loans_, number, &Loan::number);
    return found == loans_.end() ? nullptr : &*found;
  }
  void add(std::uint64_t number, Handover kind, std::uint64_t bytes) {
    loans_.push_back({.number = number, .bytes = bytes, .kind = kind});
    last_ = number;
  }
  /// What is wrong with a message that names `bytes` of it; null: nothing, and it is used.
  [[nodiscard]] const char* name(std::uint64_t number, std::uint64_t bytes) {
    Loan* const loan = numbered(number);
    if (loan == nullptr || loan->over) return "a payload in memory that is not handed over";
    if (bytes > loan->bytes) return "a payload larger than the memory that it lies in";
    loan->over = loan->kind == Handover::immutable;
    ++loan->uses;
    return nullptr;
  }
  /// True: it is over, and forgotten.
  [[nodiscard]] bool end_use(Loan& loan) {
    --loan.uses;
    return forget_if_over(loan);
  }
  [[nodiscard]] bool forget_if_over(Loan& loan) {
    if (!loan.over || loan.uses > 0) return false;
    loan = loans_.back();
    loans_.pop_back();
    return true;
  }

 private:
  std::uint64_t last_ = 0;
  std::vector<Loan> loans_;
};

/// Apart from the session, for few connections have any.
struct Loans {
  LoansOut out;
  LoansIn in;
};

}  // namespace tincan::protocol
