# From the slots of a message to bytes. Nothing is written before there is room for it.
#
# A function returns false for what is irregular, with or without a Python error set. No Python code
# runs meanwhile, unless the garbage collector does: what is read twice is held.

cdef extern from "Python.h":
    PyObject **_PyObject_GetDictPtr(PyObject *)
    Py_ssize_t PyDict_Size(PyObject *)
    bint PyBytes_CheckExact(PyObject *)
    char *PyBytes_AS_STRING(PyObject *)
    Py_ssize_t PyBytes_GET_SIZE(PyObject *)
    bint PyFloat_CheckExact(PyObject *)
    double PyFloat_AsDouble(PyObject *)
    int PyFloat_Pack4(double, char *, int)
    int PyFloat_Pack8(double, char *, int)
    bint PyList_CheckExact(PyObject *)
    PyObject *PyList_GET_ITEM(PyObject *, Py_ssize_t)
    Py_ssize_t PyList_GET_SIZE(PyObject *)
    bint PyLong_Check(PyObject *)
    bint PyLong_CheckExact(PyObject *)
    long long PyLong_AsLongLongAndOverflow(PyObject *, int *)
    unsigned long long PyLong_AsUnsignedLongLong(PyObject *)
    bint PyUnicode_CheckExact(PyObject *)
    const char *PyUnicode_AsUTF8AndSize(PyObject *, Py_ssize_t *)
    PyObject *PyErr_NoMemory()

cdef enum:
    START = 512  # bytes on the stack: enough for most messages


cdef struct Output:
    unsigned char *data
    Py_ssize_t size
    Py_ssize_t capacity
    unsigned char *start
    int depth


ctypedef bint (*WriteValue)(Output *, PyObject *, void *) noexcept


cdef inline void open_output(Output *out, unsigned char *start) noexcept:
    out.data = out.start = start
    out.capacity = START
    out.size = 0
    out.depth = 0


cdef inline void close_output(Output *out) noexcept:
    if out.data != out.start:
        PyMem_Free(out.data)


cdef inline bint room(Output *out, Py_ssize_t size) noexcept:
    return out.capacity - out.size >= size or grow(out, size)


cdef bint grow(Output *out, Py_ssize_t size) noexcept:
    cdef Py_ssize_t capacity = 2 * (out.size + size)
    cdef unsigned char *data = <unsigned char *> PyMem_Malloc(capacity)
    if data is NULL:
        PyErr_NoMemory()
        return False
    memcpy(data, out.data, out.size)
    close_output(out)
    out.data, out.capacity = data, capacity
    return True


cdef inline bint write_varint(Output *out, uint64_t value) noexcept:
    if not room(out, 10):
        return False
    while value > 127:
        out.data[out.size] = <unsigned char> (value & 127 | 128)
        out.size += 1
        value >>= 7
    out.data[out.size] = <unsigned char> value
    out.size += 1
    return True


cdef bint write_block(Output *out, const char *data, Py_ssize_t size) noexcept:
    if not room(out, size):
        return False
    memcpy(out.data + out.size, data, size)
    out.size += size
    return True


# --- one value ------------------------------------------------------------------------------------


cdef inline bint whole_number(PyObject *value, int64_t low, int64_t high, int64_t *to) noexcept:
    cdef int overflow = 0
    if not PyLong_Check(value):
        return False
    to[0] = PyLong_AsLongLongAndOverflow(value, &overflow)
    return overflow == 0 and low <= to[0] <= high


cdef bint write_int64(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, INT64_MIN, INT64_MAX, &number) and write_varint(out, <uint64_t> number)


cdef bint write_int32(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, INT32_MIN, INT32_MAX, &number) and write_varint(out, <uint64_t> number)


cdef inline bint unsigned_number(PyObject *value, uint64_t *to) noexcept:
    if not PyLong_Check(value):
        return False
    to[0] = PyLong_AsUnsignedLongLong(value)  # an error is set when it is negative or too large
    return to[0] != <uint64_t> -1 or PyErr_Occurred() is NULL


cdef bint write_uint64(Output *out, PyObject *value, void *of) noexcept:
    cdef uint64_t number
    return unsigned_number(value, &number) and write_varint(out, number)


cdef bint write_uint32(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, 0, UINT32_MAX, &number) and write_varint(out, <uint64_t> number)


cdef inline bint write_zigzag(Output *out, int64_t number) noexcept:
    return write_varint(out, <uint64_t> number << 1 ^ (0 - (<uint64_t> number >> 63)))


cdef inline bint write_sint64(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, INT64_MIN, INT64_MAX, &number) and write_zigzag(out, number)


cdef inline bint write_sint32(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, INT32_MIN, INT32_MAX, &number) and write_zigzag(out, number)


cdef bint write_bool(Output *out, PyObject *value, void *of) noexcept:
    if value is not True_ and value is not False_:
        return False
    return write_varint(out, value is True_)


cdef inline bint write_fixed(Output *out, uint64_t number, int size) noexcept:
    cdef int at
    if not room(out, size):
        return False
    for at in range(size):
        out.data[out.size + at] = <unsigned char> (number >> 8 * at & 255)
    out.size += size
    return True


cdef inline bint write_fixed64(Output *out, PyObject *value, void *of) noexcept:
    cdef uint64_t number
    return unsigned_number(value, &number) and write_fixed(out, number, 8)


cdef inline bint write_sfixed64(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, INT64_MIN, INT64_MAX, &number) and write_fixed(out, <uint64_t> number, 8)


cdef inline bint write_fixed32(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, 0, UINT32_MAX, &number) and write_fixed(out, <uint64_t> number, 4)


cdef inline bint write_sfixed32(Output *out, PyObject *value, void *of) noexcept:
    cdef int64_t number
    return whole_number(value, INT32_MIN, INT32_MAX, &number) and write_fixed(out, <uint64_t> number, 4)


cdef inline bint real_number(PyObject *value, double *to) noexcept:
    if not PyFloat_CheckExact(value) and not PyLong_CheckExact(value):
        return False
    to[0] = PyFloat_AsDouble(value)  # an error is set when an int is too large
    return to[0] != -1.0 or PyErr_Occurred() is NULL


cdef bint write_double(Output *out, PyObject *value, void *of) noexcept:
    cdef double number
    if not real_number(value, &number) or not room(out, 8):
        return False
    out.size += 8
    return PyFloat_Pack8(number, <char *> out.data + out.size - 8, 1) == 0


cdef inline bint write_float(Output *out, PyObject *value, void *of) noexcept:
    cdef double number
    if not real_number(value, &number) or not room(out, 4):
        return False
    out.size += 4
    return PyFloat_Pack4(number, <char *> out.data + out.size - 4, 1) == 0


cdef bint write_string(Output *out, PyObject *value, void *of) noexcept:
    cdef Py_ssize_t size
    if not PyUnicode_CheckExact(value):
        return False
    cdef const char *text = PyUnicode_AsUTF8AndSize(value, &size)
    return text is not NULL and write_varint(out, size) and write_block(out, text, size)


cdef bint write_bytes(Output *out, PyObject *value, void *of) noexcept:
    if not PyBytes_CheckExact(value):
        return False
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    return write_varint(out, size) and write_block(out, PyBytes_AS_STRING(value), size)


cdef bint write_message(Output *out, PyObject *value, void *of) noexcept:
    cdef Shape *shape = <Shape *> of
    cdef Py_ssize_t start = out.size
    if Py_TYPE(<object> value) != shape.cls or out.depth >= MAX_DEPTH or not room(out, 1):
        return False
    out.size += 1
    out.depth += 1
    incref(value)
    cdef bint whole = shape.write(out, <char *> value)
    decref(value)
    out.depth -= 1
    return whole and write_size(out, start)


cdef inline bint write_size(Output *out, Py_ssize_t start) noexcept:
    # The length of what follows the byte at `start` into that byte, or into more that make room.
    cdef Py_ssize_t size = out.size - start - 1, rest = size
    cdef int more = 0
    if size < 128:
        out.data[start] = <unsigned char> size
        return True
    while rest > 127:
        rest >>= 7
        more += 1
    if not room(out, more):
        return False
    memmove(out.data + start + 1 + more, out.data + start + 1, size)
    out.size = start
    write_varint(out, size)
    out.size += size
    return True


# --- one field ------------------------------------------------------------------------------------


cdef inline bint write_required(
    Output *out, uint32_t tag, char *slot, WriteValue write, void *of
) noexcept:
    cdef PyObject *value = (<PyObject **> slot)[0]
    if value is NULL or value is None_:
        return False
    return write_varint(out, tag) and write(out, value, of)


cdef inline bint write_optional(
    Output *out, uint32_t tag, char *slot, WriteValue write, void *of
) noexcept:
    cdef PyObject *value = (<PyObject **> slot)[0]
    if value is None_:
        return True
    return value is not NULL and write_varint(out, tag) and write(out, value, of)


cdef bint write_repeated(
    Output *out, uint32_t tag, char *slot, WriteValue write, void *of
) noexcept:
    cdef PyObject *rows = (<PyObject **> slot)[0]
    return rows is not NULL and PyList_CheckExact(rows) and write_rows(out, tag, rows, write, of)


cdef bint write_packed(Output *out, uint32_t tag, char *slot, WriteValue write, void *of) noexcept:
    cdef PyObject *rows = (<PyObject **> slot)[0]
    if rows is NULL or not PyList_CheckExact(rows):
        return False
    if PyList_GET_SIZE(rows) == 0:
        return True
    if not write_varint(out, tag) or not room(out, 1):
        return False
    cdef Py_ssize_t start = out.size
    out.size += 1
    return write_rows(out, 0, rows, write, of) and write_size(out, start)


cdef bint write_rows(
    Output *out, uint32_t tag, PyObject *rows, WriteValue write, void *of
) noexcept:
    cdef Py_ssize_t at = 0
    cdef PyObject *row
    cdef bint whole = True
    incref(rows)
    while whole and at < PyList_GET_SIZE(rows):
        row = PyList_GET_ITEM(rows, at)
        incref(row)
        whole = (tag == 0 or write_varint(out, tag)) and write(out, row, of)
        decref(row)
        at += 1
    decref(rows)
    return whole


cdef inline bint no_strays(char *message) noexcept:
    # An attribute that the class does not have: the general path says so.
    cdef PyObject **found = _PyObject_GetDictPtr(<PyObject *> message)
    return found is not NULL and (found[0] is NULL or PyDict_Size(found[0]) == 0)


cdef inline bint write_unknown(Output *out, char *slot) noexcept:
    cdef PyObject *value = (<PyObject **> slot)[0]
    if value is NULL or not PyBytes_CheckExact(value):
        return False
    return write_block(out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
