# What the compiled codec knows of message classes: where their slots are, what reads and writes them.
#
# Included by the generated modules. A message class keeps its fields in slots; their offsets come
# from the class's own member descriptors and are checked against its size before anything uses them.

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject, PyTypeObject, Py_TYPE
from libc.stdint cimport (
    INT32_MAX,
    INT32_MIN,
    INT64_MAX,
    INT64_MIN,
    UINT32_MAX,
    int32_t,
    int64_t,
    uint32_t,
    uint64_t,
)
from libc.string cimport memcpy, memmove

from ctrader_typed.message.straight import Irregular

cdef extern from "Python.h":
    ctypedef PyObject *(*allocfunc)(PyTypeObject *, Py_ssize_t)
    ctypedef struct Type "PyTypeObject":
        Py_ssize_t tp_basicsize
        Py_ssize_t tp_itemsize
        allocfunc tp_alloc
    PyTypeObject PyMemberDescr_Type
    PyTypeObject *PyDescr_TYPE(PyObject *)
    bint PyType_IsSubtype(PyTypeObject *, PyTypeObject *)
    PyObject *None_ "Py_None"
    PyObject *True_ "Py_True"
    PyObject *False_ "Py_False"

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        int type
        Py_ssize_t offset
        int flags
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member
    int T_OBJECT_EX

cdef enum:
    MAX_DEPTH = 100  # as in fields.py
    MOST_MEMBERS = 4096

cdef struct Input
cdef struct Output

ctypedef bint (*Read)(Input *, char *) noexcept
ctypedef bint (*Write)(Output *, char *) noexcept


cdef struct Shape:
    # A message class, and what reads and writes the fields of one that is allocated.
    PyTypeObject *cls
    Read read
    Write write


cdef struct Members:
    # The members of an enum by number, NULL where there is none.
    PyObject **by_number
    uint32_t count


CODECS = {}


cdef int add(
    cls, Py_ssize_t count, Shape *shape, Py_ssize_t *slots, Read read, Write write
) except -1:
    # Find the slots of a class (`count` fields by number, then the unknown ones), and add its codec.
    cdef PyTypeObject *type_ = <PyTypeObject *> cls
    cdef Codec codec = Codec.__new__(Codec)
    if len(cls.message_fields) != count or (<Type *> type_).tp_itemsize != 0:
        raise ImportError(f"{cls.__name__} is not the class that the codec was compiled for")
    for at, field in enumerate(cls.message_fields):
        slots[<Py_ssize_t> at] = offset_of(cls, field.name)
    slots[count] = offset_of(cls, "_unknown_fields")
    Py_INCREF(cls)
    shape.cls, shape.read, shape.write = type_, read, write
    codec.shape = shape
    CODECS[cls] = codec.decode, codec.encode
    return 0


cdef Py_ssize_t offset_of(cls, str name) except -1:
    cdef PyTypeObject *type_ = <PyTypeObject *> cls
    cdef PyMemberDef *member
    for base in cls.__mro__:
        found = vars(base).get(name)
        if found is None:
            continue
        if Py_TYPE(found) != &PyMemberDescr_Type:
            break
        member = (<PyMemberDescrObject *> found).d_member
        if (
            PyType_IsSubtype(type_, PyDescr_TYPE(<PyObject *> found))
            and member.type == T_OBJECT_EX
            and member.flags == 0
            and member.offset >= <Py_ssize_t> sizeof(PyObject)
            and member.offset + <Py_ssize_t> sizeof(PyObject *) <= (<Type *> type_).tp_basicsize
        ):
            return member.offset
        break
    raise ImportError(f"{cls.__name__}.{name} is not a slot")


cdef int add_members(enum, Members *members) except -1:
    # Find the members of an enum by their numbers, as far as those are small.
    numbers = {int(member): member for member in enum if 0 <= member < MOST_MEMBERS}
    cdef uint32_t count = max(numbers, default=-1) + 1
    members.by_number = <PyObject **> PyMem_Calloc(count + 1, sizeof(PyObject *))
    if members.by_number is NULL:
        raise MemoryError
    members.count = count
    for number, member in numbers.items():
        Py_INCREF(member)
        members.by_number[<uint32_t> number] = <PyObject *> member
    return 0


cdef inline PyObject *blank(Shape *shape) noexcept:
    # As object.__new__ does: a whole object, all slots empty.
    return (<Type *> shape.cls).tp_alloc(shape.cls, 0)


cdef class Codec:
    # Reads and writes the messages of one class. The methods are what `straight_decode` and
    # `straight_encode` are in Python: they raise for whatever is irregular and explain nothing.
    cdef Shape *shape

    def decode(self, bytes data not None, Py_ssize_t pos, Py_ssize_t end):
        cdef Input source
        cdef PyObject *message
        if self.shape is NULL or not 0 <= pos <= end <= len(data):
            raise Irregular
        open_input(&source, data, pos, end)
        message = blank(self.shape)
        if message is NULL:
            raise MemoryError
        whole = next_tag(&source) and self.shape.read(&source, <char *> message)
        leave_to_counting(&source, 0, message)
        result = <object> message
        Py_DECREF(result)  # it has two owners now
        if not whole:
            give_up()
        return result

    def encode(self, message):
        cdef Output out
        cdef unsigned char[START] start
        if self.shape is NULL or Py_TYPE(message) != self.shape.cls:
            raise Irregular
        open_output(&out, start)
        try:
            if not self.shape.write(&out, <char *> <PyObject *> message):
                give_up()
            return out.data[: out.size]
        finally:
            close_output(&out)


cdef int give_up() except -1:
    # Raise what was set (no memory, a number too large) or else the sign for the general path.
    if PyErr_Occurred():
        return -1
    raise Irregular
