# cython: language_level=3, boundscheck=True, wraparound=False, initializedcheck=False
"""Rows of varints → columns, compiled. The same contract as `vectors`: what is odd is Irregular.

Every read of `data` is behind a comparison with the end of what may be read, and every write goes
to a row below the number of rows that the arrays were made for.
"""

import array

from cpython cimport array as carray
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from .straight import Irregular

cdef carray.array EMPTY = array.array("q")

cdef enum:
    FIELDS = 16  # a tag is one byte, so a field's number is below 16


cdef struct Place:
    int column  # -1: the schema has no such field
    long long low
    long long high


cdef Py_ssize_t varint(const unsigned char* data, Py_ssize_t pos, Py_ssize_t end,
                       unsigned long long* value) except -1:
    """Read one, and return the position behind it."""
    cdef unsigned long long result = 0
    cdef unsigned char byte
    cdef int shift = 0
    while pos < end and shift < 70:
        byte = data[pos]
        pos += 1
        result |= <unsigned long long>(byte & 127) << shift
        if byte < 128:
            value[0] = result
            return pos
        shift += 7
    raise Irregular


def read_rows(layout, bytes source, Py_ssize_t start):
    """The columns of the rows from `start` on, and where they end; raises Irregular."""
    cdef const unsigned char* data = <const unsigned char*>PyBytes_AS_STRING(source)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(source)
    cdef Place places[FIELDS]
    cdef long long* columns[FIELDS]
    cdef Py_ssize_t pos = start, stop, end, rows = 0, row
    cdef unsigned long long length, value
    cdef long long number
    cdef unsigned int tag, row_tag = layout.tag, seen, required = 0
    cdef int index, width = len(layout.fields)
    cdef carray.array column
    cdef Place* place
    if start < 0 or width > FIELDS:
        raise Irregular
    for index in range(FIELDS):
        places[index].column = -1
    for index, field in enumerate(layout.fields):
        place = &places[<int>field.number & 15]
        place.column = index
        place.low, place.high = layout.limits[index]
        if field.required:
            required |= 1u << index
    while pos < size and data[pos] == row_tag:
        pos = varint(data, pos + 1, size, &length)
        if length > <unsigned long long>(size - pos):
            raise Irregular
        pos += <Py_ssize_t>length
        rows += 1
    end, pos = pos, start
    made = []
    for index in range(width):
        column = carray.clone(EMPTY, rows, zero=True)
        columns[index] = column.data.as_longlongs
        made.append(column)
    for row in range(rows):
        pos = varint(data, pos + 1, end, &length)
        stop = pos + <Py_ssize_t>length
        seen = 0
        while pos < stop:
            tag = data[pos]
            if tag & 7 or tag > 127 or places[tag >> 3].column < 0:
                raise Irregular
            place = &places[tag >> 3]
            if seen >> place.column & 1:
                raise Irregular
            seen |= 1u << place.column
            pos = varint(data, pos + 1, stop, &value)
            number = <long long>value
            if number < place.low or number > place.high:
                raise Irregular
            columns[place.column][row] = number
        if seen & required != required:
            raise Irregular
    return made, end
