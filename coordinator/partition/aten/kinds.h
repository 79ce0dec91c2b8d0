// kinds.h -- the kinds of ATen operations, each a function that labels the
// dimensions of one. False: this one is not of that form, and its inputs are
// needed whole.
#ifndef AUTOTP_COORDINATOR_PARTITION_ATEN_KINDS_H_
#define AUTOTP_COORDINATOR_PARTITION_ATEN_KINDS_H_

#include "coordinator/partition/aten/operation.h"

namespace autotp::partition::aten {

using Kind = bool(AtenOperation& op);

// elementwise.cc: each position of the result depends on the same position of
// the inputs, which broadcast.
Kind Pointwise;
Kind PointwiseButLastTwo;  // these two are whole
Kind PointwiseButNormed;   // those of "normalized_shape" are

// along_dim.cc: the same, but for the dimension "dim".
Kind AlongDim;       // of the first one, if it isn't said
Kind AlongLastDim;   // of the last one
Kind AlongDims;      // several, "dims"
Kind ScatterSelect;  // a piece that lacks it, written into the input
Kind Pad;            // those that "pad" names, from the last

// reductions.cc: the dimensions "dim" are gone, or of length one.
Kind Sum;  // may be cut: a partial sum
Kind Reduction;

// products.cc
Kind MatrixProduct;  // [.., i, k] [.., k, j] -> [.., i, j]
Kind BatchedSum;     // c + [b, i, k] [b, k, j] -> [b, i, j]
Kind Einsum;
Kind GroupedProduct;  // rows [s, k], sorted by expert, [e, k, j] -> [s, j]

// convolution.cc: x[b,c,..] w[n,c,..] bias[n] -> [b,n,..], or each channel on
// its own.
Kind Convolution;

// attention.cc: q[b,h,t,d] k[b,h,s,d] v[b,h,s,e] mask[..,t,s] -> [b,h,t,e].
Kind Attention;

// indexing.cc
Kind Index;  // x[.., i.., ..], with indices for neighbouring dimensions
Kind IndexSelect;

}  // namespace autotp::partition::aten

#endif  // AUTOTP_COORDINATOR_PARTITION_ATEN_KINDS_H_
