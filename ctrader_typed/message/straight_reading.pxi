# From bytes to the slots of a message. Nothing is read that was not compared with the end before.
#
# A function returns false for what is irregular: with a Python error set if there is no memory.

cdef extern from "Python.h":
    PyObject *PyBytes_FromStringAndSize(const char *, Py_ssize_t)
    PyObject *PyFloat_FromDouble(double)
    double PyFloat_Unpack4(const char *, int)
    double PyFloat_Unpack8(const char *, int)
    int PyList_Append(PyObject *, PyObject *)
    PyObject *PyList_New(Py_ssize_t)
    PyObject *PyLong_FromLongLong(long long)
    PyObject *PyLong_FromUnsignedLongLong(unsigned long long)
    PyObject *PyUnicode_DecodeUTF8(const char *, Py_ssize_t, const char *)
    PyObject *PyErr_Occurred()
    bint PyErr_ExceptionMatches(PyObject *)
    void PyErr_Clear()
    PyObject *UnicodeDecodeError_ "PyExc_UnicodeDecodeError"
    void incref "Py_INCREF"(PyObject *)
    void decref "Py_DECREF"(PyObject *)
    void PyObject_GC_UnTrack(void *)

cdef enum:
    VARINT = 0
    FIXED64 = 1
    LENGTH = 2
    FIXED32 = 5


cdef struct Input:
    const unsigned char *data
    Py_ssize_t pos
    Py_ssize_t end
    Py_ssize_t start  # where the tag begins that was read last
    uint32_t tag  # 0 at the end: no field has that number
    int depth
    Py_ssize_t messages  # that were read, in all depths


ctypedef bint (*ReadValue)(Input *, char *, void *) noexcept


cdef inline void open_input(Input *source, bytes data, Py_ssize_t pos, Py_ssize_t end) noexcept:
    source.data = data
    source.pos = source.start = pos
    source.end = end
    source.tag = 0
    source.depth = 0
    source.messages = 0


# --- tags, numbers, lengths -----------------------------------------------------------------------


cdef inline bint next_tag(Input *source) noexcept:
    source.start = source.pos
    if source.pos >= source.end:
        source.tag = 0
        return True
    source.tag = source.data[source.pos]
    if source.tag < 128:
        source.pos += 1
        return source.tag >= 8
    return long_tag(source)


cdef bint long_tag(Input *source) noexcept:
    cdef uint64_t tag
    if not varint(source, &tag) or tag < 8 or tag >> 32 or source.pos - source.start > 5:
        return False
    source.tag = <uint32_t> tag
    return True


cdef inline bint varint(Input *source, uint64_t *value) noexcept:
    if source.pos < source.end and source.data[source.pos] < 128:
        value[0] = source.data[source.pos]
        source.pos += 1
        return True
    return long_varint(source, value)


cdef bint long_varint(Input *source, uint64_t *value) noexcept:
    cdef uint64_t result = 0
    cdef unsigned char byte
    cdef int shift
    for shift in range(0, 70, 7):
        if source.pos >= source.end:
            return False
        byte = source.data[source.pos]
        source.pos += 1
        result |= <uint64_t> (byte & 127) << shift
        if byte < 128:
            value[0] = result
            return True
    return False


cdef inline bint span(Input *source, Py_ssize_t *size) noexcept:
    # A length of at most five bytes, with as many bytes behind it.
    cdef Py_ssize_t start = source.pos
    cdef uint64_t length
    if not varint(source, &length) or source.pos - start > 5:
        return False
    size[0] = <Py_ssize_t> length
    return length <= <uint64_t> (source.end - source.pos)


cdef inline bint fixed(Input *source, int size, uint64_t *value) noexcept:
    cdef int at
    if source.end - source.pos < size:
        return False
    value[0] = 0
    for at in range(size):
        value[0] |= <uint64_t> source.data[source.pos + at] << 8 * at
    source.pos += size
    return True


# --- one value into its slot ----------------------------------------------------------------------


cdef inline bint put(char *slot, PyObject *value) noexcept:
    (<PyObject **> slot)[0] = value
    return value is not NULL


cdef inline bint put_shared(char *slot, PyObject *value) noexcept:
    incref(value)
    (<PyObject **> slot)[0] = value
    return True


cdef bint read_int64(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return varint(source, &value) and put(slot, PyLong_FromLongLong(<int64_t> value))


cdef bint read_int32(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return varint(source, &value) and put(slot, PyLong_FromLongLong(<int32_t> <uint32_t> value))


cdef bint read_uint64(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return varint(source, &value) and put(slot, PyLong_FromUnsignedLongLong(value))


cdef bint read_uint32(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return varint(source, &value) and put(slot, PyLong_FromLongLong(<uint32_t> value))


cdef inline bint read_sint64(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    if not varint(source, &value):
        return False
    return put(slot, PyLong_FromLongLong(<int64_t> (value >> 1 ^ (0 - (value & 1)))))


cdef inline bint read_sint32(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    if not varint(source, &value):
        return False
    value &= 0xFFFFFFFF
    return put(slot, PyLong_FromLongLong(<int64_t> (value >> 1 ^ (0 - (value & 1)))))


cdef bint read_bool(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return varint(source, &value) and put_shared(slot, True_ if value else False_)


cdef bint read_enum(Input *source, char *slot, void *of) noexcept:
    # A number without a name is irregular: it becomes a member of its own, which is Python's work.
    cdef Members *members = <Members *> of
    cdef uint64_t value
    cdef uint32_t number
    if not varint(source, &value):
        return False
    number = <uint32_t> value
    if number >= members.count or members.by_number[number] is NULL:
        return False
    return put_shared(slot, members.by_number[number])


cdef bint read_double(Input *source, char *slot, void *of) noexcept:
    if source.end - source.pos < 8:
        return False
    source.pos += 8
    cdef const char *bytes_ = <const char *> &source.data[source.pos - 8]
    return put(slot, PyFloat_FromDouble(PyFloat_Unpack8(bytes_, 1)))


cdef inline bint read_float(Input *source, char *slot, void *of) noexcept:
    if source.end - source.pos < 4:
        return False
    source.pos += 4
    cdef const char *bytes_ = <const char *> &source.data[source.pos - 4]
    return put(slot, PyFloat_FromDouble(PyFloat_Unpack4(bytes_, 1)))


cdef inline bint read_fixed64(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return fixed(source, 8, &value) and put(slot, PyLong_FromUnsignedLongLong(value))


cdef inline bint read_sfixed64(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return fixed(source, 8, &value) and put(slot, PyLong_FromLongLong(<int64_t> value))


cdef inline bint read_fixed32(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return fixed(source, 4, &value) and put(slot, PyLong_FromLongLong(<int64_t> value))


cdef inline bint read_sfixed32(Input *source, char *slot, void *of) noexcept:
    cdef uint64_t value
    return fixed(source, 4, &value) and put(
        slot, PyLong_FromLongLong(<int32_t> <uint32_t> value)
    )


cdef bint read_string(Input *source, char *slot, void *of) noexcept:
    cdef Py_ssize_t size
    if not span(source, &size):
        return False
    cdef const char *text = <const char *> &source.data[source.pos]
    source.pos += size
    if put(slot, PyUnicode_DecodeUTF8(text, size, NULL)):
        return True
    if PyErr_ExceptionMatches(UnicodeDecodeError_):
        PyErr_Clear()  # the general path says it better
    return False


cdef bint read_bytes(Input *source, char *slot, void *of) noexcept:
    cdef Py_ssize_t size
    if not span(source, &size):
        return False
    source.pos += size
    cdef const char *begin = <const char *> &source.data[source.pos - size]
    return put(slot, PyBytes_FromStringAndSize(begin, size))


cdef bint read_message(Input *source, char *slot, void *of) noexcept:
    cdef Shape *shape = <Shape *> of
    cdef Py_ssize_t size, end = source.end, messages = source.messages
    if source.depth >= MAX_DEPTH or not span(source, &size):
        return False
    if not put(slot, blank(shape)):
        return False
    source.end = source.pos + size
    source.depth += 1
    # In its slot already: whatever happens, the outer message owns it.
    cdef bint whole = next_tag(source) and shape.read(source, <char *> (<PyObject **> slot)[0])
    leave_to_counting(source, messages, (<PyObject **> slot)[0])
    source.messages = messages + 1
    source.depth -= 1
    source.end = end
    return whole


cdef inline void leave_to_counting(
    Input *source, Py_ssize_t messages, PyObject *message
) noexcept:
    # A message without messages in it is in no cycle: the garbage collector need not look at it.
    # Looking at those that wait in a stream took more than half of the time of a quote.
    if source.messages == messages:
        PyObject_GC_UnTrack(message)


# --- one field ------------------------------------------------------------------------------------


cdef inline bint required(
    Input *source, uint32_t tag, char *slot, ReadValue read, void *of
) noexcept:
    return source.tag == tag and read(source, slot, of) and next_tag(source)


cdef inline bint optional(
    Input *source, uint32_t tag, char *slot, ReadValue read, void *of
) noexcept:
    if source.tag != tag:
        return put_shared(slot, None_)
    return read(source, slot, of) and next_tag(source)


cdef bint repeated(Input *source, uint32_t tag, char *slot, ReadValue read, void *of) noexcept:
    cdef PyObject *rows = PyList_New(0)
    if not put(slot, rows):
        return False
    if source.tag != tag:
        PyObject_GC_UnTrack(rows)  # as a message is that has none in it
        return True
    while source.tag == tag:
        if not append(rows, source, read, of) or not next_tag(source):
            return False
    return True


cdef bint packed(Input *source, uint32_t tag, char *slot, ReadValue read, void *of) noexcept:
    cdef PyObject *rows = PyList_New(0)
    cdef Py_ssize_t size, end = source.end
    if not put(slot, rows):
        return False
    if source.tag != tag:
        return True
    if not span(source, &size):
        return False
    source.end = source.pos + size
    while source.pos < source.end:
        if not append(rows, source, read, of):
            return False
    source.end = end
    return next_tag(source)


cdef inline bint append(PyObject *rows, Input *source, ReadValue read, void *of) noexcept:
    cdef PyObject *row = NULL
    cdef bint whole = read(source, <char *> &row, of) and PyList_Append(rows, row) == 0
    if row is not NULL:
        decref(row)
    return whole


cdef bint unknown_tail(Input *source, uint32_t last_known, char *slot) noexcept:
    # What follows the last known field, if it is whole fields that the schema does not have.
    cdef Py_ssize_t begin = source.start, size
    cdef uint32_t wire_type
    cdef uint64_t value
    while source.tag != 0:
        wire_type = source.tag & 7
        if source.tag >> 3 <= last_known:
            return False
        if wire_type == VARINT:
            if not varint(source, &value):
                return False
        elif wire_type == LENGTH:
            if not span(source, &size):
                return False
            source.pos += size
        elif wire_type == FIXED64 or wire_type == FIXED32:
            if not fixed(source, 8 if wire_type == FIXED64 else 4, &value):
                return False
        else:
            return False
        if not next_tag(source):
            return False
    cdef const char *bytes_ = <const char *> source.data + begin
    return put(slot, PyBytes_FromStringAndSize(bytes_, source.end - begin))
