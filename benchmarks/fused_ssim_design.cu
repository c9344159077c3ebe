// SSIM the way fused-ssim computes it (Mallick et al., "Taming 3DGS", SIGGRAPH Asia 2024): one kernel forward, one back.
//
// Written anew from the description of the design, for `gpu/structural.py` to measure beside ours, as the package is
// not on PyPI: a block of 16 x 16 threads makes as many pixels from a tile in shared memory that is 5 pixels larger on
// every side, along the rows first, then down the columns. Forward writes the map of SSIM and three maps of its
// derivatives; back filters these, times the map's own gradient. Outside of the image everything is 0.

#include <cuda_runtime.h>

namespace {

constexpr int BLOCK = 16, REACH = 5, TILE = BLOCK + 2 * REACH;
constexpr float C1 = 1e-4f, C2 = 9e-4f;

// an 11-tap Gaussian of sigma 1.5 from its middle on
__device__ constexpr float TAPS[REACH + 1] = {0.26601171493530273f,  0.21300554275512695f,  0.10936068743467331f,
                                              0.036000773310661316f, 0.0075987582094967365f, 0.001028380123898387f};

__device__ float pixel(const float* plane, int row, int column, int height, int width) {
    return row >= 0 && row < height && column >= 0 && column < width ? plane[row * width + column] : 0.0f;
}

__global__ __launch_bounds__(BLOCK* BLOCK) void forward(const float* x, const float* y, float* map, float* by_mean,
                                                        float* by_square, float* by_product, int channels, int height,
                                                        int width) {
    __shared__ float images[TILE][TILE][2];
    __shared__ float rows[TILE][BLOCK][5];
    const int left = blockIdx.x * BLOCK, top = blockIdx.y * BLOCK;
    const int thread = threadIdx.y * BLOCK + threadIdx.x;
    for (int channel = 0; channel < channels; ++channel) {
        const size_t plane = (size_t(blockIdx.z) * channels + channel) * height * width;
        for (int i = thread; i < TILE * TILE; i += BLOCK * BLOCK) {
            const int row = i / TILE, column = i % TILE;
            images[row][column][0] = pixel(x + plane, top + row - REACH, left + column - REACH, height, width);
            images[row][column][1] = pixel(y + plane, top + row - REACH, left + column - REACH, height, width);
        }
        __syncthreads();
        for (int row = threadIdx.y; row < TILE; row += BLOCK) {
            const int middle = threadIdx.x + REACH;
            float a = images[row][middle][0], b = images[row][middle][1];
            float sums[5] = {TAPS[0] * a, TAPS[0] * a * a, TAPS[0] * b, TAPS[0] * b * b, TAPS[0] * a * b};
#pragma unroll
            for (int k = 1; k <= REACH; ++k) {
                const float p = images[row][middle - k][0], q = images[row][middle + k][0];
                const float r = images[row][middle - k][1], s = images[row][middle + k][1];
                sums[0] += TAPS[k] * (p + q);
                sums[1] += TAPS[k] * (p * p + q * q);
                sums[2] += TAPS[k] * (r + s);
                sums[3] += TAPS[k] * (r * r + s * s);
                sums[4] += TAPS[k] * (p * r + q * s);
            }
#pragma unroll
            for (int kind = 0; kind < 5; ++kind) rows[row][threadIdx.x][kind] = sums[kind];
        }
        __syncthreads();
        float sums[5];
#pragma unroll
        for (int kind = 0; kind < 5; ++kind) {
            sums[kind] = TAPS[0] * rows[threadIdx.y + REACH][threadIdx.x][kind];
#pragma unroll
            for (int k = 1; k <= REACH; ++k)
                sums[kind] += TAPS[k] * (rows[threadIdx.y + REACH - k][threadIdx.x][kind] +
                                         rows[threadIdx.y + REACH + k][threadIdx.x][kind]);
        }
        const int row = top + threadIdx.y, column = left + threadIdx.x;
        if (row < height && column < width) {
            const float mean_x = sums[0], mean_y = sums[2];
            const float spread = sums[1] - mean_x * mean_x + sums[3] - mean_y * mean_y + C2;
            const float means = mean_x * mean_x + mean_y * mean_y + C1;
            const float light = 2.0f * mean_x * mean_y + C1, structure = 2.0f * (sums[4] - mean_x * mean_y) + C2;
            const float value = light * structure / (means * spread);
            const size_t at = plane + size_t(row) * width + column;
            map[at] = value;
            by_mean[at] = 2.0f * (mean_y * (structure - light) / (means * spread) + value * mean_x * (1 / spread - 1 / means));
            by_square[at] = -value / spread;
            by_product[at] = 2.0f * light / (means * spread);
        }
        __syncthreads();
    }
}

__global__ __launch_bounds__(BLOCK* BLOCK) void backward(const float* x, const float* y, const float* outer,
                                                         const float* by_mean, const float* by_square,
                                                         const float* by_product, float* gradient, int channels,
                                                         int height, int width) {
    __shared__ float slopes[3][TILE][TILE];
    __shared__ float rows[TILE][BLOCK][3];
    const int left = blockIdx.x * BLOCK, top = blockIdx.y * BLOCK;
    const int thread = threadIdx.y * BLOCK + threadIdx.x;
    for (int channel = 0; channel < channels; ++channel) {
        const size_t plane = (size_t(blockIdx.z) * channels + channel) * height * width;
        for (int i = thread; i < TILE * TILE; i += BLOCK * BLOCK) {
            const int row = i / TILE, column = i % TILE;
            const int there = top + row - REACH, across = left + column - REACH;
            const float weight = pixel(outer + plane, there, across, height, width);
            slopes[0][row][column] = weight * pixel(by_mean + plane, there, across, height, width);
            slopes[1][row][column] = weight * pixel(by_square + plane, there, across, height, width);
            slopes[2][row][column] = weight * pixel(by_product + plane, there, across, height, width);
        }
        __syncthreads();
        for (int row = threadIdx.y; row < TILE; row += BLOCK) {
            const int middle = threadIdx.x + REACH;
#pragma unroll
            for (int kind = 0; kind < 3; ++kind) {
                float sum = TAPS[0] * slopes[kind][row][middle];
#pragma unroll
                for (int k = 1; k <= REACH; ++k)
                    sum += TAPS[k] * (slopes[kind][row][middle - k] + slopes[kind][row][middle + k]);
                rows[row][threadIdx.x][kind] = sum;
            }
        }
        __syncthreads();
        float sums[3];
#pragma unroll
        for (int kind = 0; kind < 3; ++kind) {
            sums[kind] = TAPS[0] * rows[threadIdx.y + REACH][threadIdx.x][kind];
#pragma unroll
            for (int k = 1; k <= REACH; ++k)
                sums[kind] += TAPS[k] * (rows[threadIdx.y + REACH - k][threadIdx.x][kind] +
                                         rows[threadIdx.y + REACH + k][threadIdx.x][kind]);
        }
        const int row = top + threadIdx.y, column = left + threadIdx.x;
        if (row < height && column < width) {
            const size_t at = plane + size_t(row) * width + column;
            gradient[at] = sums[0] + 2.0f * x[at] * sums[1] + y[at] * sums[2];
        }
        __syncthreads();
    }
}

dim3 grid(int images, int height, int width) {
    return dim3((width + BLOCK - 1) / BLOCK, (height + BLOCK - 1) / BLOCK, images);
}

}  // namespace

extern "C" int ssim_forward(const float* x, const float* y, float* map, float* by_mean, float* by_square,
                            float* by_product, int images, int channels, int height, int width,
                            cudaStream_t stream) {
    forward<<<grid(images, height, width), dim3(BLOCK, BLOCK), 0, stream>>>(x, y, map, by_mean, by_square,
                                                                              by_product, channels, height, width);
    return cudaGetLastError();
}

extern "C" int ssim_backward(const float* x, const float* y, const float* outer, const float* by_mean,
                             const float* by_square, const float* by_product, float* gradient, int images,
                             int channels, int height, int width, cudaStream_t stream) {
    backward<<<grid(images, height, width), dim3(BLOCK, BLOCK), 0, stream>>>(
        x, y, outer, by_mean, by_square, by_product, gradient, channels, height, width);
    return cudaGetLastError();
}
