// Exact arithmetic shared by every kernel. The definition is the docstrings of kernels/ir/integer_ops.py:
// every float operation rounds to float32 by itself, halves round to even, bounds saturate.
#pragma OPENCL FP_CONTRACT OFF

typedef struct { uchar v[VEC]; } vector_t;          // VEC input channels of one pixel
typedef struct { uchar v[PX * VEC]; } pixels_t;     // the same channels of PX pixels
typedef struct { char v[VEC * LANE]; } weights_t;   // [VEC][LANE]: one tap, VEC inputs to LANE outputs
typedef struct { uint v[PX * LANE]; } sums_t;       // accumulators; unsigned, since int32 wraps by definition

inline float rounded(float value) { return rint(value); }

// clamp(rne(v) + zero_point, low, high). The bounds move to the other side of the sum, which is exact there.
inline uchar saturated(float value, int zero_point, int low, int high) {
  float bounded = fmin(fmax(rounded(value), (float)(low - zero_point)), (float)(high - zero_point));
  return (uchar)((int)bounded + zero_point);
}

inline float centred(uchar value, int zero_point) { return (float)((int)value - zero_point); }

// From accumulator to result, see Epilogue in kernels/ir/integer_ops.py.
inline uchar requantized(const descriptor_t* d, uint sum, float scale, uchar residual) {
  float value = (float)(int)sum * scale;
  if (d->has_intermediate) {
    value = fmin(fmax(rounded(value), (float)d->middle_low), (float)d->middle_high);
    value = value * d->middle_multiplier;
  }
  if (d->has_residual) {
    float term = centred(residual, d->residual_zero_point) * d->residual_multiplier;
    value = value + term;
  }
  return saturated(value, d->zero_point, d->low, d->high);
}

inline vector_t load_vector(__global const uchar* address) {
  vector_t loaded;
  #pragma unroll
  for (int v = 0; v < VEC; v++) loaded.v[v] = address[v];
  return loaded;
}

inline vector_t constant_vector(uchar value) {
  vector_t filled;
  #pragma unroll
  for (int v = 0; v < VEC; v++) filled.v[v] = value;
  return filled;
}

// The PE array's heart: VEC * LANE multiply-accumulates.
inline void multiply(uint* sums, const uchar* inputs, const char* weights) {
  #pragma unroll
  for (int v = 0; v < VEC; v++) {
    #pragma unroll
    for (int l = 0; l < LANE; l++) sums[l] += (uint)((int)inputs[v] * (int)weights[v * LANE + l]);
  }
}

// LANE results of one output pixel, from channel k on; channels past the last are not written, because in a
// concatenation another layer's bytes stand there.
inline void store_pixel(const descriptor_t* d, __global uchar* arena, __global const float* scales,
                        const uint* sums, int row, int column, int k) {
  int pixel = row * d->columns + column;
  if (d->float_result) {
    __global float* target = (__global float*)(arena + d->target + pixel * d->target_step) + k;
    #pragma unroll
    for (int l = 0; l < LANE; l++)
      if (k + l < d->channels) target[l] = (float)(int)sums[l] * scales[l];
    return;
  }
  __global uchar* target = arena + d->target + pixel * d->target_step + k;
  __global const uchar* residual = arena + d->second + pixel * d->second_step + k;
  #pragma unroll
  for (int l = 0; l < LANE; l++) {
    if (k + l < d->channels) {
      uchar other = d->has_residual ? residual[l] : (uchar)0;
      target[l] = requantized(d, sums[l], scales[l], other);
    }
  }
}
