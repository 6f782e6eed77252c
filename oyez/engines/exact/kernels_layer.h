// One layer of a block of tokens, as jobs that threads share: rows, heads or tokens.
//
// Included once, after the paths' ops are known (kernels.c).

// A session of work: room for one block of tokens, the threads and a desk for each.
typedef struct {
    activation y;
    i32 *x, *q, *k, *v;
    i64 *wide;
    desk *desks;
    i32 threads;
    pool pool;
} scratch;

static i64 largest_of(i64 a, i64 b) { return a > b ? a : b; }

void oyez_scratch_free(scratch *s) {
    if (!s) return;
    stop_pool(&s->pool);
    for (i32 i = 0; s->desks && i < s->threads; i++) {
        free(s->desks[i].rotated);
        free(s->desks[i].scores);
        free(s->desks[i].weights);
        free(s->desks[i].unpacked);
    }
    void *parts[] = {s->y.lanes, s->y.high, s->y.low, s->y.sums, s->y.halves, s->x,
                     s->q,       s->k,      s->v,     s->wide,   s->desks,    s};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
}

static int has_desks(const model *m, scratch *s, i64 widest) {
    s->desks = calloc((size_t)s->threads, sizeof(desk));
    for (i32 i = 0; s->desks && i < s->threads; i++) {
        desk *d = s->desks + i;
        d->rotated = calloc(MAX_HEAD, sizeof(i16));
        d->scores = calloc((size_t)whole_groups(m->context), sizeof(i64));
        d->weights = calloc((size_t)whole_groups(m->context) + 2, sizeof(i32));
        d->unpacked = aligned_alloc(64, UNPACKED * (size_t)(widest / GROUP));
        if (!d->rotated || !d->scores || !d->weights || !d->unpacked) return 0;
    }
    return s->desks != NULL;
}

// Room for one block of tokens and `threads` threads; NULL without memory.
scratch *oyez_scratch_new(const model *m, i32 threads) {
    scratch *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    i64 queries = whole_groups((i64)m->heads * m->head_size);
    i64 keys = whole_groups((i64)m->kv_heads * m->head_size), width = whole_groups(m->width);
    i64 widest = largest_of(largest_of(width, whole_groups(m->feed_forward)), queries);
    start_pool(&s->pool, threads);
    s->threads = s->pool.workers + 1;
    s->y.lanes = calloc(BLOCK * (size_t)widest, sizeof(i16));
    s->y.high = calloc(BLOCK, (size_t)widest);
    s->y.low = calloc(BLOCK, (size_t)widest);
    s->y.sums = calloc(BLOCK * (size_t)(widest / GROUP), sizeof(double));
    s->y.halves = calloc(BLOCK * (size_t)(widest / 16), sizeof(double));
    s->x = calloc(BLOCK * (size_t)width, sizeof(i32));
    s->q = calloc(BLOCK * (size_t)queries, sizeof(i32));
    s->k = calloc(BLOCK * (size_t)keys, sizeof(i32));
    s->v = calloc(BLOCK * (size_t)keys, sizeof(i32));
    s->wide = calloc(BLOCK * (size_t)widest, sizeof(i64));
    if (has_desks(m, s, widest) && s->y.lanes && s->y.high && s->y.low && s->y.sums &&
        s->y.halves && s->x && s->q && s->k && s->v && s->wide)
        return s;
    oyez_scratch_free(s);
    return NULL;
}

// Threads that really run.
i32 oyez_threads(const scratch *s) { return s->threads; }

// ENGINE-4: the embedding row of a token; `weights` is room for it.
static void embed(const model *m, i32 token, i64 *weights, i32 *x) {
    const matrix *e = &m->embedding;
    read_row(e->kind, m->width, e->data + token * e->row_bytes, weights);
    for (i64 i = 0; i < m->width; i++)
        x[i] = (i32)rounding_shift(weights[i], SCALE_BITS - RESIDUAL, SAT32);
}

static u64 square_root(u128 n) {
    int bits = 0;
    for (u128 rest = n; rest; rest >>= 1) bits++;
    u64 root = 1ULL << ((bits + 1) / 2);
    for (;;) {
        u64 next = (u64)((root + n / root) >> 1);
        if (next >= root) return root;
        root = next;
    }
}

// Brings the lanes t of token `row` to 15 bits as a matrix input; t has room for whole groups.
static void store_input(const operations *op, activation *y, i64 row, i64 *t, i32 count, i64 shift,
                        i64 format) {
    i64 stride = whole_groups(count), at = row * stride;
    for (i64 i = count; i < stride; i++) t[i] = 0; // their weights are 0; this keeps lanes in range
    op->split(t, (i32)stride, shift, y->lanes + at, y->high + at, y->low + at,
              y->sums + at / GROUP, y->halves + at / 16);
    y->format[row] = format - shift;
}

// ENGINE-5, 6, 7.
static void normalise(const model *m, const operations *op, const norm *n, const i32 *x, i64 row,
                      scratch *s) {
    u128 squares = op->sum_squares(x, m->width);
    u64 root = square_root((squares << 16) / (u64)m->width + (u64)m->epsilon);
    int bits = bit_length(root);
    i64 inverse = (i64)((1ULL << (bits + 15)) / root);
    i64 *t = s->wide + row * whole_groups(m->width);
    op->weigh(x, n->weights, inverse, m->width, t);
    i64 largest = op->largest(t, m->width);
    i64 shift = largest ? bit_length((u64)largest) - 14 : 0;
    store_input(op, &s->y, row, t, m->width, shift, n->exponent + bits + 7);
}

// ENGINE-16.
static void compress(const operations *op, i64 *t, i32 count, i64 format, i64 row,
                     scratch *s) {
    i64 shift = bit_length((u64)op->largest(t, count)) - 14;
    store_input(op, &s->y, row, t, count, shift > 0 ? shift : 0, format);
}

static const u8 *tile_of(const matrix *m, i64 tile) {
    return m->tiles + tile * (m->columns / GROUP) * tile_bytes(format_of(m->kind));
}

static i64 tiles_of(const matrix *m) { return (m->rows + TILE_ROWS - 1) / TILE_ROWS; }

// A matrix's lanes as a matter of work: out[token * stride + row], stride with room for whole tiles.
typedef struct {
    const matrix *m;
    i64 format, limit;
    i32 *out;
    i64 stride;
} product;

// What the jobs of a layer read.
typedef struct {
    const model *m;
    const layer *l;
    const operations *op;
    scratch *s;
    const place *places;
    i64 tokens, index;
    i16 *lanes;
    const norm *norm;
    const i32 *x;
    i64 x_stride;
    const product *products;
} task;

// ENGINE-8: tiles of several matrices, counted through.
static void multiply_tiles(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    scratch *s = k->s;
    i64 sums[BLOCK * TILE_ROWS];
    for (i64 index = begin; index < end; index++) {
        const product *p = k->products;
        i64 tile = index;
        for (; tile >= tiles_of(p->m); p++) tile -= tiles_of(p->m);
        k->op->tile(p->m, tile_of(p->m, tile), &s->y, k->tokens, s->desks[number].unpacked, sums);
        for (i64 t = 0; t < k->tokens; t++)
            k->op->round_tile(sums + TILE_ROWS * t, SCALE_BITS + s->y.format[t] - p->format,
                              p->limit, p->out + t * p->stride + tile * TILE_ROWS);
    }
}

static void multiply(task *k, const product *products, i64 count) {
    i64 total = 0;
    k->products = products;
    for (i64 i = 0; i < count; i++) total += tiles_of(products[i].m);
    share(&k->s->pool, multiply_tiles, k, total, 1);
}

// ENGINE-18: adds tiles of a product to the residual, which has room for whole tiles.
static void add_tiles(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    scratch *s = k->s;
    const matrix *m = k->products->m;
    i64 sums[BLOCK * TILE_ROWS];
    for (i64 tile = begin; tile < end; tile++) {
        k->op->tile(m, tile_of(m, tile), &s->y, k->tokens, s->desks[number].unpacked, sums);
        for (i64 t = 0; t < k->tokens; t++)
            k->op->add_tile(sums + TILE_ROWS * t, SCALE_BITS + s->y.format[t] - RESIDUAL,
                            s->x + t * k->x_stride + tile * TILE_ROWS);
    }
}

static void add_product(task *k, const matrix *m) {
    product p = {m, 0, 0, NULL, 0};
    k->products = &p;
    share(&k->s->pool, add_tiles, k, tiles_of(m), 1);
}

// ENGINE-17: tiles of gate and up, to s->wide, which has room for whole tiles.
static void gate_tiles(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    scratch *s = k->s;
    const matrix *gate = &k->l->gate, *up = &k->l->up;
    i64 sums[2][BLOCK * TILE_ROWS], stride = whole_groups(k->m->feed_forward);
    for (i64 tile = begin; tile < end; tile++) {
        u8 *unpacked = s->desks[number].unpacked;
        k->op->tile(gate, tile_of(gate, tile), &s->y, k->tokens, unpacked, sums[0]);
        k->op->tile(up, tile_of(up, tile), &s->y, k->tokens, unpacked, sums[1]);
        for (i64 t = 0; t < k->tokens; t++) {
            i32 g[TILE_ROWS], u[TILE_ROWS];
            i64 shift = SCALE_BITS + s->y.format[t] - LANE;
            k->op->round_tile(sums[0] + TILE_ROWS * t, shift, SAT32, g);
            k->op->round_tile(sums[1] + TILE_ROWS * t, shift, SAT32, u);
            k->op->gate(g, u, TILE_ROWS, k->m->exponential,
                        s->wide + t * stride + tile * TILE_ROWS);
        }
    }
}

// A session's keys and values of one layer: per head, blocks of 16 keys [size / 2][16][2] and
// pairs of values [size][2], `capacity` positions each.
typedef struct {
    i16 *keys, *values;
    i64 capacity;
} cache;

// ENGINE-11: rotates a token's keys and files its keys and values; lanes is k then v.
static void file_keys(const model *m, const layer *l, const operations *op, i64 position,
                      const i32 *k, const i32 *v, cache c, i16 *lanes) {
    i64 size = m->head_size, width = m->kv_heads * size;
    const i16 *cosines = m->cosines + position * size / 2, *sines = m->sines + position * size / 2;
    for (i64 head = 0; head < m->kv_heads; head++) {
        i16 *key = lanes + head * size, *value = lanes + width + head * size;
        op->rotate(k + head * size, cosines, sines, m->head_size / 2, l->k_format, key);
        i16 *keys = c.keys + (head * c.capacity + position / 16 * 16) * size + position % 16 * 2;
        i16 *values = c.values + (head * c.capacity + position / 2 * 2) * size + position % 2;
        for (i64 i = 0; i < size; i++) {
            value[i] = (i16)v[head * size + i];
            keys[i / 2 * 32 + i % 2] = key[i];
            values[2 * i] = value[i];
        }
    }
}

static cache cache_of(const task *k, const place *p) {
    i64 part = k->index * p->capacity * k->m->kv_heads * k->m->head_size;
    return (cache){p->keys + part, p->values + part, p->capacity};
}

static void file_tokens(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    (void)number;
    i64 width = (i64)k->m->kv_heads * k->m->head_size, stride = whole_groups(width);
    for (i64 t = begin; t < end; t++)
        file_keys(k->m, k->l, k->op, k->places[t].position, k->s->k + t * stride,
                  k->s->v + t * stride, cache_of(k, k->places + t),
                  k->lanes + (t * k->m->layers + k->index) * 2 * width);
}

// ENGINE-11, 13, 14, 15: one head's query against all keys up to its own.
static void attend(const task *k, const place *p, i64 head, const i32 *q, desk *d, i64 *out) {
    const model *m = k->m;
    const layer *l = k->l;
    const operations *op = k->op;
    const cache c = cache_of(k, p);
    i32 size = m->head_size, count = (i32)p->position + 1;
    i64 sums[MAX_HEAD], shared = head * m->kv_heads / m->heads, turn = p->position * size / 2;
    op->rotate(q, m->cosines + turn, m->sines + turn, size / 2, l->q_format, d->rotated);
    op->score_keys(d->rotated, c.keys + shared * c.capacity * size, count, size, d->scores);
    i64 largest =
        op->scale_scores(d->scores, count, m->score_scale, 2 + l->q_format + l->k_format);
    i64 total = op->weigh_keys(d->scores, count, largest, m->exponential, d->weights);
    d->weights[count] = 0;
    op->mix_values(d->weights, c.values + shared * c.capacity * size, count, size, sums);
    op->divide(sums, size, total, out);
}

// Heads of all tokens, counted through, to s->wide.
static void attend_heads(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    i64 heads = k->m->heads, size = k->m->head_size, stride = whole_groups(heads * size);
    for (i64 index = begin; index < end; index++) {
        i64 t = index / heads, head = index % heads, at = t * stride + head * size;
        attend(k, k->places + t, head, k->s->q + at, k->s->desks + number, k->s->wide + at);
    }
}

static void normalise_tokens(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    (void)number;
    for (i64 t = begin; t < end; t++)
        normalise(k->m, k->op, k->norm, k->x + t * k->x_stride, t, k->s);
}

static void normalise_all(task *k, const norm *n, const i32 *x, i64 stride) {
    k->norm = n;
    k->x = x;
    k->x_stride = stride;
    share(&k->s->pool, normalise_tokens, k, k->tokens, 2);
}

static void compress_heads(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    (void)number;
    i32 queries = k->m->heads * k->m->head_size;
    for (i64 t = begin; t < end; t++)
        compress(k->op, k->s->wide + t * whole_groups(queries), queries, k->l->v_format + 8, t,
                 k->s);
}

static void compress_gated(void *argument, i64 begin, i64 end, i32 number) {
    const task *k = argument;
    (void)number;
    i32 count = k->m->feed_forward;
    for (i64 t = begin; t < end; t++)
        compress(k->op, k->s->wide + t * whole_groups(count), count, 2 * LANE, t, k->s);
}

// One layer of a block.
static void run_layer(task *k) {
    const model *m = k->m;
    const layer *l = k->l;
    scratch *s = k->s;
    i64 queries = whole_groups((i64)m->heads * m->head_size);
    i64 keys = whole_groups((i64)m->kv_heads * m->head_size), width = whole_groups(m->width);
    const product products[] = {{&l->q, LANE, SAT32, s->q, queries},
                                {&l->k, LANE, SAT32, s->k, keys},
                                {&l->v, l->v_format, SAT16, s->v, keys}};
    normalise_all(k, &l->attn_norm, s->x, width);
    multiply(k, products, 3);
    share(&s->pool, file_tokens, k, k->tokens, 2);
    share(&s->pool, attend_heads, k, k->tokens * m->heads, 1);
    share(&s->pool, compress_heads, k, k->tokens, 2);
    add_product(k, &l->output);
    normalise_all(k, &l->ffn_norm, s->x, width);
    share(&s->pool, gate_tiles, k, tiles_of(&l->gate), 1);
    share(&s->pool, compress_gated, k, k->tokens, 2);
    add_product(k, &l->down);
}
