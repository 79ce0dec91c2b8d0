// What every backend has to do, for every type and for odd sizes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "tests/unit/worker/collective/numbers.h"
#include "tests/unit/worker/collective/worlds.h"

namespace autotp::collective {
namespace {

// The last needs several steps through a segment.
constexpr int64_t kCounts[] = {0, 1, 7, 9000, 100001};

class ConformanceTest : public testing::TestWithParam<World> {
 protected:
  void Run(const RankBody& body) {
    const std::vector<absl::Status> statuses =
        RunRanks(GetParam(), body, OptionsFor(GetParam()));
    for (size_t r = 0; r < statuses.size(); ++r) {
      EXPECT_TRUE(statuses[r].ok()) << "rank " << r << ": " << statuses[r];
    }
  }
  int size() const { return GetParam().size; }
};

// Sums (or takes the maximum of) element i over the ranks.
int Reduced(Reduction op, int size, int64_t i) {
  int result = NumberOf(0, i);
  for (int r = 1; r < size; ++r) {
    result = op == Reduction::kSum ? result + NumberOf(r, i)
                                   : std::max(result, NumberOf(r, i));
  }
  return result;
}

absl::Status ExpectBytes(const std::vector<std::byte>& got,
                         const std::vector<std::byte>& want,
                         const std::string& what) {
  const auto differ = std::mismatch(got.begin(), got.end(), want.begin());
  return Expect(differ.first == got.end(),
                absl::StrCat(what, ": byte ", differ.first - got.begin(),
                             " of ", got.size(), " is wrong"));
}

TEST_P(ConformanceTest, AllReduceGivesEveryRankTheReduction) {
  Run([this](Communicator& c) {
    for (ElementType type : kNumberTypes) {
      for (Reduction op : {Reduction::kSum, Reduction::kMax}) {
        for (int64_t count : kCounts) {
          auto data = Fill(type, count,
                           [&](int64_t i) { return NumberOf(c.rank(), i); });
          AUTOTP_RETURN_IF_ERROR(
              Finish(c, c.AllReduce({data.data(), count, type}, op)));
          const auto want = Fill(
              type, count, [&](int64_t i) { return Reduced(op, size(), i); });
          AUTOTP_RETURN_IF_ERROR(ExpectBytes(
              data, want, absl::StrCat(count, " of ", NameOf(type))));
        }
      }
    }
    return absl::OkStatus();
  });
}

TEST_P(ConformanceTest, ReduceScatterGivesEachRankItsPart) {
  Run([this](Communicator& c) {
    for (ElementType type : kNumberTypes) {
      for (int64_t count : kCounts) {
        for (bool in_place : {false, true}) {
          auto whole = Fill(type, count * size(),
                            [&](int64_t i) { return NumberOf(c.rank(), i); });
          std::vector<std::byte> apart(count * SizeOf(type));
          std::byte* part =
              in_place ? whole.data() + c.rank() * apart.size() : apart.data();
          AUTOTP_RETURN_IF_ERROR(
              Finish(c, c.ReduceScatter({whole.data(), count * size(), type},
                                        {part, count, type}, Reduction::kSum)));
          const auto want = Fill(type, count, [&](int64_t i) {
            return Reduced(Reduction::kSum, size(), c.rank() * count + i);
          });
          const std::vector<std::byte> got(part, part + apart.size());
          AUTOTP_RETURN_IF_ERROR(
              ExpectBytes(got, want,
                          absl::StrCat(count, " of ", NameOf(type),
                                       in_place ? " in place" : "")));
        }
      }
    }
    return absl::OkStatus();
  });
}

TEST_P(ConformanceTest, AllGatherGivesEveryRankTheWhole) {
  Run([this](Communicator& c) {
    for (ElementType type : {ElementType::kByte, ElementType::kFloat64}) {
      for (int64_t count : kCounts) {
        for (bool in_place : {false, true}) {
          auto apart = Fill(type, count,
                            [&](int64_t i) { return NumberOf(c.rank(), i); });
          std::vector<std::byte> whole(apart.size() * size());
          std::byte* place = whole.data() + c.rank() * apart.size();
          if (in_place) std::copy(apart.begin(), apart.end(), place);
          std::byte* part = in_place ? place : apart.data();
          AUTOTP_RETURN_IF_ERROR(
              Finish(c, c.AllGather({part, count, type},
                                    {whole.data(), count * size(), type})));
          const auto want = Fill(type, count * size(), [&](int64_t i) {
            return NumberOf(static_cast<int>(i / count), i % count);
          });
          AUTOTP_RETURN_IF_ERROR(
              ExpectBytes(whole, want,
                          absl::StrCat(count, " of ", NameOf(type),
                                       in_place ? " in place" : "")));
        }
      }
    }
    return absl::OkStatus();
  });
}

TEST_P(ConformanceTest, BroadcastGivesEveryRankTheRoots) {
  Run([this](Communicator& c) {
    for (int root = 0; root < size(); ++root) {
      for (int64_t count : kCounts) {
        const ElementType type = ElementType::kBFloat16;
        auto data =
            Fill(type, count, [&](int64_t i) { return NumberOf(c.rank(), i); });
        AUTOTP_RETURN_IF_ERROR(
            Finish(c, c.Broadcast({data.data(), count, type}, root)));
        const auto want =
            Fill(type, count, [&](int64_t i) { return NumberOf(root, i); });
        AUTOTP_RETURN_IF_ERROR(
            ExpectBytes(data, want, absl::StrCat(count, " from rank ", root)));
      }
    }
    return absl::OkStatus();
  });
}

TEST_P(ConformanceTest, SumsAreInRankOrder) {
  // Any other order of these four gives another sum.
  const float values[] = {1e8f, 3.0f, -1e8f, 5.0f};
  float want = values[0];
  for (int r = 1; r < size(); ++r) want += values[r];
  Run([&](Communicator& c) {
    for (int64_t count : {3, 70000}) {
      std::vector<float> data(count, values[c.rank()]);
      AUTOTP_RETURN_IF_ERROR(
          Finish(c, c.AllReduce({data.data(), count, ElementType::kFloat32},
                                Reduction::kSum)));
      for (float x : data) {
        AUTOTP_RETURN_IF_ERROR(
            Expect(std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(want),
                   absl::StrCat(x, " instead of ", want)));
      }
    }
    return absl::OkStatus();
  });
}

TEST_P(ConformanceTest, SumsOfBFloat16AreRoundedOnce) {
  // 256 + 1 + 1 + 1: 259 rounds to 260; rounded at every addition it is 256.
  const uint16_t values[] = {0x4380, 0x3f80, 0x3f80, 0x3f80};
  const uint16_t want[] = {0x4380, 0x4380, 0x4381, 0x4382};
  Run([&](Communicator& c) {
    for (int64_t count : {2, 70001}) {
      std::vector<uint16_t> data(count, values[c.rank()]);
      AUTOTP_RETURN_IF_ERROR(
          Finish(c, c.AllReduce({data.data(), count, ElementType::kBFloat16},
                                Reduction::kSum)));
      for (uint16_t x : data) {
        AUTOTP_RETURN_IF_ERROR(Expect(
            x == want[size() - 1],
            absl::StrCat(absl::Hex(x), ", not ", absl::Hex(want[size() - 1]))));
      }
    }
    return absl::OkStatus();
  });
}

TEST_P(ConformanceTest, ManyMixedCallsStayInStep) {
  Run([this](Communicator& c) {
    for (int round = 0; round < 60; ++round) {
      const int64_t count = round * 977 % 4000;
      std::vector<int64_t> data(count, c.rank() + round);
      AUTOTP_RETURN_IF_ERROR(
          Finish(c, c.AllReduce({data.data(), count, ElementType::kInt64},
                                Reduction::kSum)));
      const int64_t want = size() * (size() - 1) / 2 + round * size();
      AUTOTP_RETURN_IF_ERROR(
          Expect(std::count(data.begin(), data.end(), want) == count,
                 absl::StrCat("sum of round ", round)));
      int64_t told = c.rank() == round % size() ? round : -1;
      AUTOTP_RETURN_IF_ERROR(Finish(
          c, c.Broadcast({&told, 1, ElementType::kInt64}, round % size())));
      AUTOTP_RETURN_IF_ERROR(
          Expect(told == round, absl::StrCat("broadcast of round ", round)));
      if (round % 7 == 0) AUTOTP_RETURN_IF_ERROR(c.Barrier());
      std::vector<int64_t> ranks(size());
      int64_t mine = c.rank() * round;
      AUTOTP_RETURN_IF_ERROR(
          Finish(c, c.AllGather({&mine, 1, ElementType::kInt64},
                                {ranks.data(), size(), ElementType::kInt64})));
      AUTOTP_RETURN_IF_ERROR(Expect(ranks.back() == (size() - 1) * round,
                                    absl::StrCat("gather of round ", round)));
    }
    return absl::OkStatus();
  });
}

TEST_P(ConformanceTest, RefusesWrongArgumentsAndStaysUsable) {
  Run([this](Communicator& c) {
    std::vector<float> data(8 * size(), 1.0f);
    const Buffer buffer{data.data(), 8 * size(), ElementType::kFloat32};
    const Buffer bytes{data.data(), 8, ElementType::kByte};
    const Buffer missing{nullptr, 8, ElementType::kFloat32};
    const Buffer short_part{data.data(), 7, ElementType::kFloat32};
    const auto refused = [&](std::unique_ptr<Work> work) {
      return Finish(c, std::move(work)).code() ==
             absl::StatusCode::kInvalidArgument;
    };
    AUTOTP_RETURN_IF_ERROR(
        Expect(refused(c.AllReduce(bytes, Reduction::kSum)), "bytes summed"));
    AUTOTP_RETURN_IF_ERROR(
        Expect(refused(c.AllReduce(missing, Reduction::kSum)), "null data"));
    AUTOTP_RETURN_IF_ERROR(
        Expect(refused(c.AllGather(short_part, buffer)), "unequal parts"));
    AUTOTP_RETURN_IF_ERROR(
        Expect(refused(c.ReduceScatter(buffer, short_part, Reduction::kSum)),
               "unequal parts"));
    AUTOTP_RETURN_IF_ERROR(
        Expect(refused(c.Broadcast(buffer, size())), "root beyond the group"));
    return c.Barrier();
  });
}

INSTANTIATE_TEST_SUITE_P(Worlds, ConformanceTest,
                         testing::ValuesIn(AllWorlds()),
                         [](const auto& world) { return NameOf(world.param); });

}  // namespace
}  // namespace autotp::collective
