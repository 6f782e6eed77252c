// The file's row formats: what a block holds, and the tiles that the products read.
//
// A weight is scale * quant + minimum in integers of 2^-24 (docs/spec/engine.md, ENGINE-2). Every
// format but F16 becomes tiles of 16 rows by 32 columns: 4- or 8-bit quants, then one or two sets
// of 16 scales and, unless they follow from the scales, 16 minima. Byte (chunk, row, k) of the
// quants is at chunk * 64 + row * 4 + k and holds column 4 chunk + k; 4-bit tiles keep columns 0
// to 15 in the low nibbles, 16 to 31 in the high ones. Scales are the file's binary16, or, where a
// block multiplies them, float32: a product of 11 bits and 8 fits. A tile of F16 is 32 columns of
// 16 binary16 weights.

enum { F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14 };

// weights, bytes: of a block in the file. group: weights that share a scale. nibbles: 4-bit tiles.
// wide: float32 scales. offset: the minimum is -offset * scale; 0 if minima are stored.
typedef struct {
    i32 weights, bytes, group, nibbles, wide, offset;
} format;

static inline format format_of(i32 kind) {
    switch (kind) {
    case F16: return (format){1, 2, 1, 0, 0, 0};
    case Q4_0: return (format){32, 18, 32, 1, 0, 8};
    case Q4_1: return (format){32, 20, 32, 1, 0, 0};
    case Q5_0: return (format){32, 22, 32, 0, 0, 16};
    case Q5_1: return (format){32, 24, 32, 0, 0, 0};
    case Q8_0: return (format){32, 34, 32, 0, 0, 128};
    case Q4_K: return (format){256, 144, 32, 1, 1, 0};
    case Q5_K: return (format){256, 176, 32, 0, 1, 0};
    default: return (format){256, 210, 16, 0, 1, 32}; // Q6_K
    }
}

static inline i64 quant_bytes(format f) { return f.nibbles ? 256 : 512; }
static inline i64 scale_bytes(format f) { return TILE_ROWS * (f.wide ? 4 : 2); }
// Bytes of a set: scales, and minima if they are stored.
static inline i64 set_bytes(format f) { return scale_bytes(f) * (f.offset ? 1 : 2); }
static inline i64 tile_bytes(format f) {
    return f.group == 1 ? 1024 : quant_bytes(f) + GROUP / f.group * set_bytes(f);
}

// A finite binary16 number as an integer of 2^-24.
static inline i64 half_to_integer(u16 bits) {
    int exponent = (bits >> 10) & 31;
    i64 fraction = bits & 1023;
    i64 magnitude = exponent ? (fraction | 1024) << (exponent - 1) : fraction;
    return bits & 0x8000 ? -magnitude : magnitude;
}

static inline u16 read_u16(const u8 *at) {
    u16 value;
    memcpy(&value, at, sizeof value);
    return value;
}

// One block's weights: quants[i] belongs to group i / format.group.
typedef struct {
    i64 scales[16], minima[16];
    u8 quants[256];
} block;

// The 6-bit scale and minimum of group j of a Q4_K or Q5_K block.
static void read_six_bits(const u8 *packed, int j, i64 *scale, i64 *minimum) {
    if (j < 4) {
        *scale = packed[j] & 63;
        *minimum = packed[j + 4] & 63;
    } else {
        *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
        *minimum = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
    }
}

static void decode_quants_k(i32 kind, const u8 *at, u8 *quants) {
    for (int i = 0; i < 256; i++) {
        if (kind == Q6_K) { // halves of 128: 64 bytes of low nibbles, 32 of two high bits
            int half = i / 128, quarter = i % 128 / 32, l = i % 32;
            const u8 *low = at + 64 * half + 32 * (quarter % 2), *high = at + 128 + 32 * half;
            int nibble = quarter < 2 ? low[l] & 15 : low[l] >> 4;
            quants[i] = (u8)(nibble | (high[l] >> (2 * quarter) & 3) << 4);
        } else { // pairs of groups share 32 bytes of nibbles; bit j of high byte l: group j
            int j = i / 32, l = i % 32;
            const u8 *low = at + (kind == Q4_K ? 16 : 48) + 32 * (j / 2);
            int nibble = j % 2 ? low[l] >> 4 : low[l] & 15;
            quants[i] = (u8)(kind == Q4_K ? nibble : nibble | (at[16 + l] >> j & 1) << 4);
        }
    }
}

static void decode_block(i32 kind, const u8 *at, block *b) {
    const format f = format_of(kind);
    if (kind == Q6_K) {
        for (int j = 0; j < 16; j++)
            b->scales[j] = half_to_integer(read_u16(at + 208)) * (i8)at[192 + j];
    } else if (f.wide) {
        i64 d = half_to_integer(read_u16(at)), least = half_to_integer(read_u16(at + 2));
        for (int j = 0; j < 8; j++) {
            i64 scale, minimum;
            read_six_bits(at + 4, j, &scale, &minimum);
            b->scales[j] = d * scale;
            b->minima[j] = -least * minimum;
        }
    } else {
        b->scales[0] = half_to_integer(read_u16(at));
        b->minima[0] = f.offset ? 0 : half_to_integer(read_u16(at + 2));
    }
    if (f.offset)
        for (int j = 0; j < f.weights / f.group; j++) b->minima[j] = -f.offset * b->scales[j];
    if (f.wide) {
        decode_quants_k(kind, at, b->quants);
    } else if (kind == Q8_0) {
        for (int i = 0; i < 32; i++) b->quants[i] = at[2 + i] ^ 128;
    } else {
        const u8 *low = at + f.bytes - 16, *high = low - 4; // four bytes of fifth bits before
        int five = kind == Q5_0 || kind == Q5_1;
        for (int i = 0; i < 32; i++) {
            int nibble = i < 16 ? low[i] & 15 : low[i - 16] >> 4;
            b->quants[i] = (u8)(five ? nibble | (high[i / 8] >> (i % 8) & 1) << 4 : nibble);
        }
    }
}

// Puts one row's share of a tile in place: 32 quants of a block from `at` on, and their scales.
static void fill_tile(format f, const u8 *source, const block *b, i64 at, i64 row, u8 *tile) {
    const u8 *quants = b->quants + at;
    if (f.nibbles)
        for (int k = 0; k < 16; k++)
            tile[64 * (k / 4) + 4 * row + k % 4] = (u8)(quants[k] | quants[k + 16] << 4);
    else
        for (int k = 0; k < 32; k++) tile[64 * (k / 4) + 4 * row + k % 4] = quants[k];
    for (i64 set = 0; set < GROUP / f.group; set++) {
        u8 *scales = tile + quant_bytes(f) + set * set_bytes(f), *minima = scales + scale_bytes(f);
        if (f.wide) {
            float real[2] = {(float)b->scales[at / f.group + set] * 0x1p-24f,
                             (float)b->minima[at / f.group + set] * 0x1p-24f};
            memcpy(scales + 4 * row, real, 4);
            if (!f.offset) memcpy(minima + 4 * row, real + 1, 4);
        } else {
            memcpy(scales + 2 * row, source, 2);
            if (!f.offset) memcpy(minima + 2 * row, source + 2, 2);
        }
    }
}

// Columns as the products count them: whole groups.
static inline i64 whole_groups(i64 columns) { return (columns + GROUP - 1) / GROUP * GROUP; }

i64 oyez_packed_bytes(i32 kind, i64 rows, i64 columns) {
    return (rows + TILE_ROWS - 1) / TILE_ROWS * (whole_groups(columns) / GROUP) *
           tile_bytes(format_of(kind));
}

// Repacks the file's rows in tiles; rows and columns that fill up the last tiles are zero.
void oyez_pack(i32 kind, i64 rows, i64 columns, const u8 *data, u8 *tiles) {
    const format f = format_of(kind);
    i64 groups = whole_groups(columns) / GROUP, row_bytes = columns / f.weights * f.bytes;
    memset(tiles, 0, (size_t)oyez_packed_bytes(kind, rows, columns));
    for (i64 row = 0; row < rows; row++, data += row_bytes) {
        u8 *out = tiles + row / TILE_ROWS * groups * tile_bytes(f);
        i64 r = row % TILE_ROWS;
        if (f.group == 1) {
            for (i64 k = 0; k < columns; k++)
                memcpy(out + 2 * (k * TILE_ROWS + r), data + 2 * k, 2);
            continue;
        }
        block b;
        for (i64 at = 0; at < columns; at += f.weights) {
            const u8 *source = data + at / f.weights * f.bytes;
            decode_block(kind, source, &b);
            for (i64 k = 0; k < f.weights; k += GROUP)
                fill_tile(f, source, &b, k, r, out + (at + k) / GROUP * tile_bytes(f));
        }
    }
}

// The weights of one row, integers of 2^-24 below 2^54.
static void read_row(i32 kind, i64 columns, const u8 *data, i64 *weights) {
    const format f = format_of(kind);
    block b;
    for (i64 at = 0; at < columns; at += f.weights, data += f.bytes) {
        if (f.group == 1) {
            weights[at] = half_to_integer(read_u16(data));
            continue;
        }
        decode_block(kind, data, &b);
        for (int i = 0; i < f.weights; i++)
            weights[at + i] = b.scales[i / f.group] * b.quants[i] + b.minima[i / f.group];
    }
}

// A tile's scales and minima of one set, integers of 2^-24.
static void read_scales(format f, const u8 *tile, i64 set, i64 *scales, i64 *minima) {
    const u8 *at = tile + quant_bytes(f) + set * set_bytes(f);
    for (int r = 0; r < TILE_ROWS; r++)
        for (int part = 0; part < (f.offset ? 1 : 2); part++) {
            i64 *out = part ? minima : scales;
            const u8 *from = at + part * scale_bytes(f);
            float real;
            if (f.wide) {
                memcpy(&real, from + 4 * r, sizeof real);
                out[r] = (i64)((double)real * 0x1p24);
            } else {
                out[r] = half_to_integer(read_u16(from + 2 * r));
            }
        }
    if (f.offset)
        for (int r = 0; r < TILE_ROWS; r++) minima[r] = -f.offset * scales[r];
}
