/* pickle.c - see pickle.h.
 *
 * Values live in one array and refer to each other by number. Tuples hold their items as a run of
 * numbers in a second array; a dictionary is a chain of pairs, which may grow after it was copied
 * to the memo; lists are read and forgotten, since no tensor hangs on one. */
#include "format/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

typedef enum kind {
    NONE,
    FLAG,   /* number */
    NUMBER, /* number */
    TEXT,   /* text, length */
    TUPLE,  /* first item, count */
    LIST,
    DICT,    /* first, last: pairs */
    GLOBAL,  /* global */
    STORAGE, /* text, length: its key; global: its type */
    TENSOR,  /* first item: storage, offset, shape tuple, stride tuple */
    MARK
} kind;

/* What a pickle may ask for by name. */
typedef enum global {
    ORDERED_DICT,
    REBUILD_TENSOR,
    REBUILD_PARAMETER,
    FLOAT_STORAGE,
    HALF_STORAGE,
    BFLOAT16_STORAGE,
    DOUBLE_STORAGE,
    LONG_STORAGE,
    INT_STORAGE,
    BYTE_STORAGE,
    BOOL_STORAGE,
    N_GLOBALS
} global;

static const struct known {
    const char *module, *name;
    ti_type type; /* of a storage */
} known[N_GLOBALS] = {
    [ORDERED_DICT] = {"collections", "OrderedDict", 0},
    [REBUILD_TENSOR] = {"torch._utils", "_rebuild_tensor_v2", 0},
    [REBUILD_PARAMETER] = {"torch._utils", "_rebuild_parameter", 0},
    [FLOAT_STORAGE] = {"torch", "FloatStorage", TI_F32},
    [HALF_STORAGE] = {"torch", "HalfStorage", TI_F16},
    [BFLOAT16_STORAGE] = {"torch", "BFloat16Storage", TI_BF16},
    [DOUBLE_STORAGE] = {"torch", "DoubleStorage", TI_F64},
    [LONG_STORAGE] = {"torch", "LongStorage", TI_I64},
    [INT_STORAGE] = {"torch", "IntStorage", TI_I32},
    [BYTE_STORAGE] = {"torch", "ByteStorage", TI_U8},
    [BOOL_STORAGE] = {"torch", "BoolStorage", TI_U8},
};

typedef struct value {
    kind kind;
    global global;
    int64_t number;
    const char *text;
    size_t length;
    int first, last; /* DICT: pairs, -1 none; TUPLE, TENSOR: first is an item */
    int count;
} value;

typedef struct pair {
    int key, value, next; /* next -1: the last */
} pair;

typedef struct array {
    void *data;
    size_t used, room;
} array;

typedef struct machine {
    const char *path;
    const uint8_t *at, *end;
    size_t size;
    array values, items, pairs, stack, memo; /* value, int, pair, int, int */
    te_error *err;
} machine;

/* ---- arrays ---------------------------------------------------------------------------------- */

/* Room for one more of SIZE bytes; NULL when memory is out. */
static void *grow(array *a, size_t size)
{
    if (a->used == a->room) {
        size_t room = a->room ? 2 * a->room : 256;
        void *grown = ti_realloc_array(a->data, room, size);
        if (!grown) return NULL;
        a->data = grown;
        a->room = room;
    }
    return (char *)a->data + a->used++ * size;
}

static te_status no_memory(machine *m)
{
    return ti_fail_memory(m->err, "the checkpoint's table", m->size);
}

static te_status damaged(machine *m)
{
    return ti_fail(m->err, TE_FORMAT, "%s: its pickle is damaged; get the file again", m->path);
}

static value *value_at(const machine *m, int index)
{
    return (value *)m->values.data + index;
}

static int item_at(const machine *m, int index)
{
    return ((int *)m->items.data)[index];
}

static te_status add_int(machine *m, array *a, int number)
{
    int *slot = grow(a, sizeof *slot);
    if (!slot) return no_memory(m);
    *slot = number;
    return TE_OK;
}

static te_status push_value(machine *m, value v)
{
    value *slot = grow(&m->values, sizeof *slot);
    if (!slot) return no_memory(m);
    *slot = v;
    return add_int(m, &m->stack, (int)(m->values.used - 1));
}

/* The value DEPTH below the top of the stack; -1 when there is none or it is a mark. */
static int peek(const machine *m, size_t depth)
{
    if (depth >= m->stack.used) return -1;
    int index = ((int *)m->stack.data)[m->stack.used - 1 - depth];
    return value_at(m, index)->kind == MARK ? -1 : index;
}

/* Number of values above the topmost mark; -1 without a mark. */
static int above_mark(const machine *m)
{
    for (size_t depth = 0; depth < m->stack.used; depth++)
        if (peek(m, depth) < 0) return (int)depth;
    return -1;
}

/* ---- operands -------------------------------------------------------------------------------- */

static te_status take_number(machine *m, int bytes, uint64_t *out)
{
    if (m->end - m->at < bytes) return damaged(m);
    *out = 0;
    memcpy(out, m->at, (size_t)bytes);
    m->at += bytes;
    return TE_OK;
}

static te_status push_text(machine *m, int length_bytes)
{
    uint64_t length;
    te_status st = take_number(m, length_bytes, &length);
    if (st) return st;
    if (length > (uint64_t)(m->end - m->at)) return damaged(m);
    value v = {.kind = TEXT, .text = (const char *)m->at, .length = (size_t)length};
    m->at += length;
    return push_value(m, v);
}

static te_status push_integer(machine *m, int bytes, bool is_signed)
{
    uint64_t bits;
    te_status st = take_number(m, bytes, &bits);
    if (st) return st;
    if (is_signed && bytes && bytes < 8) {
        uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
        bits = (bits ^ sign) - sign;
    }
    return push_value(m, (value){.kind = NUMBER, .number = (int64_t)bits});
}

/* ---- containers ------------------------------------------------------------------------------ */

/* Takes the topmost COUNT values off the stack into the items; *first is the first of them. */
static te_status take_items(machine *m, int count, int *first)
{
    *first = (int)m->items.used;
    if (count < 0 || (size_t)count > m->stack.used) return damaged(m);
    for (int depth = count - 1; depth >= 0; depth--) {
        int index = peek(m, (size_t)depth);
        if (index < 0) return damaged(m);
        te_status st = add_int(m, &m->items, index);
        if (st) return st;
    }
    m->stack.used -= (size_t)count;
    return TE_OK;
}

static te_status push_tuple(machine *m, int count, bool marked)
{
    int first;
    te_status st = take_items(m, count, &first);
    if (st) return st;
    if (marked) m->stack.used--;
    return push_value(m, (value){.kind = TUPLE, .first = first, .count = count});
}

static te_status set_item(machine *m, value *dict, int key, int item)
{
    pair *p = grow(&m->pairs, sizeof *p);
    int index = (int)m->pairs.used - 1;
    if (!p) return no_memory(m);
    *p = (pair){key, item, -1};
    if (dict->first < 0)
        dict->first = index;
    else
        ((pair *)m->pairs.data)[dict->last].next = index;
    dict->last = index;
    return TE_OK;
}

/* COUNT keys and values on top of a dictionary (and a mark between, if MARKED). */
static te_status set_items(machine *m, int count, bool marked)
{
    int below = count + (marked ? 1 : 0);
    int dict = count < 0 || count % 2 ? -1 : peek(m, (size_t)below);
    if (dict < 0 || value_at(m, dict)->kind != DICT) return damaged(m);
    for (int depth = count - 1; depth > 0; depth -= 2) {
        int key = peek(m, (size_t)depth), item = peek(m, (size_t)depth - 1);
        if (key < 0 || item < 0) return damaged(m);
        te_status st = set_item(m, value_at(m, dict), key, item);
        if (st) return st;
    }
    m->stack.used -= (size_t)below;
    return TE_OK;
}

/* Lists keep nothing: the items on top of one are dropped. */
static te_status append_items(machine *m, int count, bool marked)
{
    int below = count + (marked ? 1 : 0), list = count < 0 ? -1 : peek(m, (size_t)below);
    if (list < 0 || value_at(m, list)->kind != LIST) return damaged(m);
    m->stack.used -= (size_t)below;
    return TE_OK;
}

/* ---- memo ------------------------------------------------------------------------------------ */

/* Numbers beyond the pickle's own length cannot come from an honest writer. */
static te_status memo_put(machine *m, uint64_t slot)
{
    int top = peek(m, 0);
    if (top < 0 || slot > m->size) return damaged(m);
    while (m->memo.used <= slot) {
        te_status st = add_int(m, &m->memo, -1);
        if (st) return st;
    }
    ((int *)m->memo.data)[slot] = top;
    return TE_OK;
}

static te_status memo_get(machine *m, uint64_t slot)
{
    int index = slot < m->memo.used ? ((int *)m->memo.data)[slot] : -1;
    return index < 0 ? damaged(m) : add_int(m, &m->stack, index);
}

static te_status memo(machine *m, int bytes, bool put)
{
    uint64_t slot;
    te_status st = take_number(m, bytes, &slot);
    if (st) return st;
    return put ? memo_put(m, slot) : memo_get(m, slot);
}

/* ---- globals and calls ----------------------------------------------------------------------- */

static bool same(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && !memcmp(text, name, length);
}

static te_status push_global(machine *m, const char *module, size_t module_length, const char *name,
                             size_t name_length)
{
    for (int i = 0; i < N_GLOBALS; i++)
        if (same(module, module_length, known[i].module) && same(name, name_length, known[i].name))
            return push_value(m, (value){.kind = GLOBAL, .global = (global)i});
    return ti_fail(
        m->err, TE_UNSUPPORTED,
        "%s: asks for %.*s.%.*s, which a plain state dict does not need; nothing was run", m->path,
        (int)(module_length < 60 ? module_length : 60), module,
        (int)(name_length < 60 ? name_length : 60), name);
}

static te_status global_lines(machine *m)
{
    const char *module = (const char *)m->at;
    const char *module_end = memchr(module, '\n', (size_t)(m->end - m->at));
    if (!module_end) return damaged(m);
    const char *name = module_end + 1;
    const char *name_end = memchr(name, '\n', (size_t)((const char *)m->end - name));
    if (!name_end) return damaged(m);
    m->at = (const uint8_t *)name_end + 1;
    return push_global(m, module, (size_t)(module_end - module), name, (size_t)(name_end - name));
}

static te_status global_stack(machine *m)
{
    int module = peek(m, 1), name = peek(m, 0);
    if (module < 0 || name < 0 || value_at(m, module)->kind != TEXT ||
        value_at(m, name)->kind != TEXT)
        return damaged(m);
    value a = *value_at(m, module), b = *value_at(m, name);
    m->stack.used -= 2;
    return push_global(m, a.text, a.length, b.text, b.length);
}

/* ('storage', type, key, location, elements) */
static te_status push_storage(machine *m)
{
    int top = peek(m, 0);
    const value *tuple = top < 0 ? NULL : value_at(m, top);
    if (!tuple || tuple->kind != TUPLE || tuple->count < 3) return damaged(m);
    const value *tag = value_at(m, item_at(m, tuple->first));
    const value *type = value_at(m, item_at(m, tuple->first + 1));
    const value *key = value_at(m, item_at(m, tuple->first + 2));
    if (tag->kind != TEXT || !same(tag->text, tag->length, "storage") || type->kind != GLOBAL ||
        type->global < FLOAT_STORAGE || key->kind != TEXT)
        return damaged(m);
    value v = {.kind = STORAGE, .global = type->global, .text = key->text, .length = key->length};
    m->stack.used--;
    return push_value(m, v);
}

static te_status call(machine *m)
{
    int function = peek(m, 1), arguments = peek(m, 0);
    if (function < 0 || arguments < 0 || value_at(m, function)->kind != GLOBAL ||
        value_at(m, arguments)->kind != TUPLE)
        return damaged(m);
    value args = *value_at(m, arguments);
    global what = value_at(m, function)->global;
    m->stack.used -= 2;
    if (what == ORDERED_DICT && args.count == 0)
        return push_value(m, (value){.kind = DICT, .first = -1});
    if (what == REBUILD_PARAMETER && args.count >= 1)
        return add_int(m, &m->stack, item_at(m, args.first));
    if (what == REBUILD_TENSOR && args.count >= 4 &&
        value_at(m, item_at(m, args.first))->kind == STORAGE &&
        value_at(m, item_at(m, args.first + 1))->kind == NUMBER &&
        value_at(m, item_at(m, args.first + 2))->kind == TUPLE &&
        value_at(m, item_at(m, args.first + 3))->kind == TUPLE)
        return push_value(m, (value){.kind = TENSOR, .first = args.first});
    return damaged(m);
}

/* An object's state, e.g. a state dict's _metadata: not needed, and only dictionaries have one. */
static te_status build(machine *m)
{
    int object = peek(m, 1);
    if (peek(m, 0) < 0 || object < 0 || value_at(m, object)->kind != DICT) return damaged(m);
    m->stack.used--;
    return TE_OK;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static te_status skip(machine *m, int bytes)
{
    uint64_t ignored;
    return take_number(m, bytes, &ignored);
}

static te_status drop(machine *m)
{
    if (!m->stack.used) return damaged(m);
    m->stack.used--;
    return TE_OK;
}

/* An integer of up to eight bytes, its length before it. */
static te_status push_long(machine *m)
{
    uint64_t length;
    te_status st = take_number(m, 1, &length);
    if (st) return st;
    return length > 8 ? damaged(m) : push_integer(m, (int)length, true);
}

static te_status push_float(machine *m)
{
    te_status st = skip(m, 8);
    return st ? st : push_value(m, (value){.kind = NONE});
}

/* clang-format off */
static te_status step(machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 0x80: return skip(m, 1);                                           /* PROTO */
    case 0x95: return skip(m, 8);                                           /* FRAME */
    case '(': return push_value(m, (value){.kind = MARK});                  /* MARK */
    case '0': return drop(m);                                               /* POP */
    case 'N': return push_value(m, (value){.kind = NONE});                  /* NONE */
    case 0x88: return push_value(m, (value){.kind = FLAG, .number = 1});    /* NEWTRUE */
    case 0x89: return push_value(m, (value){.kind = FLAG});                 /* NEWFALSE */
    case 'K': return push_integer(m, 1, false);                             /* BININT1 */
    case 'M': return push_integer(m, 2, false);                             /* BININT2 */
    case 'J': return push_integer(m, 4, true);                              /* BININT */
    case 0x8A: return push_long(m);                                         /* LONG1 */
    case 'G': return push_float(m);                                         /* BINFLOAT */
    case 'X': return push_text(m, 4);                                       /* BINUNICODE */
    case 0x8C: return push_text(m, 1);                                      /* SHORT_BINUNICODE */
    case 0x8D: return push_text(m, 8);                                      /* BINUNICODE8 */
    case '}': return push_value(m, (value){.kind = DICT, .first = -1});     /* EMPTY_DICT */
    case ']': return push_value(m, (value){.kind = LIST});                  /* EMPTY_LIST */
    case ')': return push_tuple(m, 0, false);                               /* EMPTY_TUPLE */
    case 0x85: return push_tuple(m, 1, false);                              /* TUPLE1 */
    case 0x86: return push_tuple(m, 2, false);                              /* TUPLE2 */
    case 0x87: return push_tuple(m, 3, false);                              /* TUPLE3 */
    case 't': return push_tuple(m, above_mark(m), true);                    /* TUPLE */
    case 's': return set_items(m, 2, false);                                /* SETITEM */
    case 'u': return set_items(m, above_mark(m), true);                     /* SETITEMS */
    case 'a': return append_items(m, 1, false);                             /* APPEND */
    case 'e': return append_items(m, above_mark(m), true);                  /* APPENDS */
    case 'q': return memo(m, 1, true);                                      /* BINPUT */
    case 'r': return memo(m, 4, true);                                      /* LONG_BINPUT */
    case 0x94: return memo_put(m, m->memo.used);                            /* MEMOIZE */
    case 'h': return memo(m, 1, false);                                     /* BINGET */
    case 'j': return memo(m, 4, false);                                     /* LONG_BINGET */
    case 'c': return global_lines(m);                                       /* GLOBAL */
    case 0x93: return global_stack(m);                                      /* STACK_GLOBAL */
    case 'Q': return push_storage(m);                                       /* BINPERSID */
    case 'R': return call(m);                                               /* REDUCE */
    case 'b': return build(m);                                              /* BUILD */
    default: return ti_fail(m->err, TE_UNSUPPORTED,
                       "%s: its pickle uses instruction 0x%02x, which a plain state dict does not "
                       "need; nothing was run", m->path, opcode);
    }
}
/* clang-format on */

static te_status run(machine *m)
{
    while (m->at < m->end) {
        uint8_t opcode = *m->at++;
        if (opcode == '.') return TE_OK; /* STOP */
        te_status st = step(m, opcode);
        if (st) return st;
    }
    return damaged(m);
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* Strides must be those of the shape in row-major order; a dimension of one may have any. */
static te_status describe(machine *m, const value *key, const value *from, ti_pickle_tensor *out)
{
    const value *storage = value_at(m, item_at(m, from->first));
    const value *offset = value_at(m, item_at(m, from->first + 1));
    const value *shape = value_at(m, item_at(m, from->first + 2));
    const value *stride = value_at(m, item_at(m, from->first + 3));
    ti_tensor t = {.type = known[storage->global].type, .n_dims = shape->count ? shape->count : 1};
    size_t bytes = ti_type_block_bytes(t.type);
    int64_t expected = 1;
    if (shape->count > TI_MAX_DIMS || stride->count != shape->count || offset->number < 0)
        return damaged(m);
    for (int i = TI_MAX_DIMS - 1; i >= 0; i--) {
        t.shape[i] = 1;
        if (i >= shape->count) continue;
        const value *dim = value_at(m, item_at(m, shape->first + i));
        const value *step_by = value_at(m, item_at(m, stride->first + i));
        if (dim->kind != NUMBER || step_by->kind != NUMBER || dim->number < 1 ||
            !ti_mul_size(bytes, (size_t)dim->number, &bytes) || bytes > INT64_MAX)
            return damaged(m);
        if (dim->number > 1 && step_by->number != expected)
            return ti_fail(m->err, TE_UNSUPPORTED,
                           "%s: tensor %.*s is not contiguous; save it again as it is in memory",
                           m->path, (int)(key->length < 60 ? key->length : 60), key->text);
        expected *= dim->number;
        t.shape[i] = dim->number;
    }
    t.bytes = bytes;
    *out = (ti_pickle_tensor){key->text,       key->length,    storage->text,
                              storage->length, offset->number, t};
    return TE_OK;
}

/* The dictionary with the tensors: the result, or its member "state_dict". */
static const value *find_dict(machine *m)
{
    int top = peek(m, 0);
    const value *dict = top < 0 ? NULL : value_at(m, top);
    if (!dict || dict->kind != DICT) return NULL;
    for (int i = dict->first; i >= 0; i = ((pair *)m->pairs.data)[i].next) {
        const value *key = value_at(m, ((pair *)m->pairs.data)[i].key);
        const value *item = value_at(m, ((pair *)m->pairs.data)[i].value);
        if (key->kind == TEXT && same(key->text, key->length, "state_dict") && item->kind == DICT)
            return item;
    }
    return dict;
}

static te_status collect(machine *m, ti_pickle_tensor **tensors, int *n)
{
    array found = {0};
    te_status st = TE_OK;
    const value *dict = find_dict(m);
    if (!dict) return ti_fail(m->err, TE_UNSUPPORTED, "%s: holds no state dict", m->path);
    for (int i = dict->first; i >= 0 && !st; i = ((pair *)m->pairs.data)[i].next) {
        const value *key = value_at(m, ((pair *)m->pairs.data)[i].key);
        const value *item = value_at(m, ((pair *)m->pairs.data)[i].value);
        if (key->kind != TEXT || item->kind != TENSOR) continue;
        ti_pickle_tensor *slot = grow(&found, sizeof *slot);
        st = slot ? describe(m, key, item, slot) : no_memory(m);
    }
    if (st) {
        free(found.data);
        return st;
    }
    *tensors = found.data;
    *n = (int)found.used;
    return TE_OK;
}

te_status ti_pickle_read(const char *path, const uint8_t *bytes, size_t size,
                         ti_pickle_tensor **tensors, int *n, te_error *err)
{
    machine m = {.path = path, .at = bytes, .end = bytes + size, .size = size, .err = err};
    *tensors = NULL;
    *n = 0;
    /* Numbers of values are ints; a state dict's pickle is about a megabyte. */
    te_status st = size <= INT32_MAX / 4 ? run(&m) : damaged(&m);
    if (!st) st = collect(&m, tensors, n);
    free(m.values.data);
    free(m.items.data);
    free(m.pairs.data);
    free(m.stack.data);
    free(m.memo.data);
    return st;
}
