// group_words.h -- cut groups in words: names, units, why they are cut or not.
#ifndef AUTOTP_COORDINATOR_PARTITION_GROUP_WORDS_H_
#define AUTOTP_COORDINATOR_PARTITION_GROUP_WORDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/partition/choice.h"
#include "coordinator/partition/cut_groups.h"

namespace autotp::partition {

// "2 heads", "1 column".
std::string Plural(int64_t count, const std::string& unit);

// "2 + 2 + 1", or "40 x 2 + 24 x 1" where that many ranks share.
std::string Shares(const std::vector<int64_t>& shares);

// The obstacle that there are fewer heads than ranks; nullptr: none.
const Obstacle* FewHeads(const CutGroup& group);

class GroupWords {
 public:
  GroupWords(const program::Program& program,
             const std::vector<CutGroup>& groups, const Choice& choice,
             int ranks)
      : program_(program), groups_(groups), choice_(choice), ranks_(ranks) {}

  std::string NameOf(int g) const;  // "attention", "mlp", a weight's name
  std::string UnitOf(int g) const;  // "KV group", "column"
  std::string ReasonOf(int g) const;
  // The operation whose missing placement rule kept it whole; else empty.
  std::string MissingRuleOf(int g) const;

 private:
  std::string GrainText(const CutGroup& group) const;
  std::string ObstacleText(const CutGroup& group) const;

  const program::Program& program_;
  const std::vector<CutGroup>& groups_;
  const Choice& choice_;
  const int ranks_;
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_GROUP_WORDS_H_
