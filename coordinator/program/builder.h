// builder.h -- writes a program step by step, as a model's forward reads.
//
//   Builder b("llama", batch, tokens);
//   auto model = b.Enter("model");
//   ValueId x = b.Embedding("embed_tokens", b.input_ids(), {.rows = v, ...});
//   ValueId q = b.Linear("self_attn.q_proj", x, {.out = 64});
//   ...
//   return std::move(b).Finish(b.CrossEntropy(logits, b.labels()));
//
// Shapes come from shape_rules.h. The first mistake is kept, the calls after
// it do nothing, and Finish returns it: front ends need no checks in between.
// Parameters are named by the scopes that are entered plus their module, and
// come in the order in which they are first used. Not thread-safe.
#ifndef AUTOTP_COORDINATOR_PROGRAM_BUILDER_H_
#define AUTOTP_COORDINATOR_PROGRAM_BUILDER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "coordinator/program/program.h"

namespace autotp::program {

struct EmbeddingOptions {
  int64_t rows = 0;
  int64_t width = 0;
  int64_t padding_idx = -1;  // its row starts at zero and gets no gradient
  double standard_deviation = 0.02;
};

struct LinearOptions {
  int64_t out = 0;
  bool bias = false;
  bool transposed = false;  // the weight is [in, out]
  double standard_deviation = 0.02;
  // Full name of a parameter [out, in] that is the weight; the weight's own
  // name becomes an alias of it (a tied head).
  std::string tied_to;
};

struct RotaryTables {
  ValueId cos = kNoValue;  // [length, channels that are turned]
  ValueId sin = kNoValue;
};

struct AlibiOptions {
  std::vector<double> slopes;  // by head
  int64_t length = 0;
  double scale = 1.0;
  bool rounded = false;
};

struct ScoreOptions {
  double scale = 1.0;
  int64_t window = 0;
  double soft_cap = 0;
  ValueId bias = kNoValue;
  double dropout = 0;  // of the softmax
  bool causal = true;
};

class Builder {
 public:
  // Inputs are input_ids[batch, tokens] and labels[batch, tokens]; if `packed`
  // also positions, which keep attention within each document.
  Builder(std::string name, int64_t batch, int64_t tokens, bool packed = false);
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  // While it lives, names begin with the module's.
  class Scope {
   public:
    Scope(Builder* builder, absl::string_view module);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Builder* builder_;
    size_t length_;
  };
  [[nodiscard]] Scope Enter(absl::string_view module) {
    return Scope(this, module);
  }

  ValueId input_ids() const { return program_.inputs[0]; }
  ValueId labels() const { return program_.inputs[1]; }
  // kNoValue: sequences are whole.
  ValueId positions() const {
    return program_.inputs.size() > 2 ? program_.inputs[2] : kNoValue;
  }

  // Rows of a table that is no module's own: [..., width].
  ValueId LookUp(ValueId table, ValueId ids);

  // Modules with parameters; `module` is relative to the scopes entered.
  ValueId Embedding(absl::string_view module, ValueId ids,
                    const EmbeddingOptions& options);
  ValueId Linear(absl::string_view module, ValueId x,
                 const LinearOptions& options);
  // With an `offset` of one the weight starts at zero.
  ValueId RmsNorm(absl::string_view module, ValueId x, double eps,
                  double offset = 0);
  ValueId LayerNorm(absl::string_view module, ValueId x, double eps, bool bias);

  // Operations; what they mean is in operation.h.
  RotaryTables RotaryTable(std::vector<double> inv_freq, int64_t length,
                           double scale = 1.0);
  ValueId Rotary(ValueId x, const RotaryTables& tables,
                 bool interleaved = false);
  ValueId AlibiTable(const AlibiOptions& options);
  ValueId Attention(ValueId q, ValueId k, ValueId v,
                    const ScoreOptions& options);
  ValueId Normalize(ValueId x, double eps);  // a layer norm without parameters
  ValueId Activation(ValueId x, absl::string_view kind);
  ValueId SoftCap(ValueId x, double limit);
  ValueId Clamp(ValueId x, double limit);
  ValueId GatedActivation(ValueId gate, ValueId up, absl::string_view kind);
  ValueId Add(ValueId a, ValueId b);
  ValueId Mul(ValueId a, ValueId b);
  ValueId Scale(ValueId x, double factor, bool rounded = false);
  ValueId Dropout(ValueId x, double probability);  // x where that is 0
  ValueId Reshape(ValueId x, std::vector<int64_t> shape);
  ValueId Transpose(ValueId x, int64_t a, int64_t b);
  ValueId Slice(ValueId x, int64_t dim, int64_t begin, int64_t end);
  ValueId Concat(std::vector<ValueId> parts, int64_t dim);
  ValueId Stack(std::vector<ValueId> parts);
  ValueId CrossEntropy(ValueId logits, ValueId labels, bool shift = true);

  // A parameter of its own; `name` is relative to the scopes entered.
  ValueId Parameter(absl::string_view name, std::vector<int64_t> shape,
                    Initialization initialization);
  // The same, not trained.
  ValueId Buffer(absl::string_view name, std::vector<int64_t> shape,
                 Initialization initialization);
  // The value of a parameter that exists, by its full name or an alias.
  ValueId ParameterNamed(absl::string_view full_name);
  // Gives the parameter `full_name` another name, relative to the scopes.
  void Alias(absl::string_view full_name, absl::string_view alias);

  // Any operation; as many ids as it has outputs, kNoValue after a mistake.
  std::vector<ValueId> Apply(Operation operation, std::vector<ValueId> inputs,
                             Attributes attributes = {});
  // Apply for operations with one output.
  ValueId ApplyOne(Operation operation, std::vector<ValueId> inputs,
                   Attributes attributes = {});

  // Empty for kNoValue.
  std::vector<int64_t> ShapeOf(ValueId id) const;

  // INVALID_ARGUMENT with the scope of the first mistake. The result has
  // passed CheckProgram.
  absl::StatusOr<Program> Finish(ValueId loss) &&;

 private:
  std::string FullName(absl::string_view name) const;
  ValueId AddValue(std::string name, std::vector<int64_t> shape,
                   ValueKind kind);
  void Fail(const absl::Status& status);

  Program program_;
  std::map<std::string, size_t, std::less<>> parameter_by_name_;
  std::string scope_;
  int64_t streams_ = 0;  // of dropout
  absl::Status status_;
};

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_BUILDER_H_
