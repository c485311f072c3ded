# An envelope and the message in it in one pass, with no bytes object and no envelope between.
#
# Included where the schema has the envelope's tags: PAYLOAD_TYPE, PAYLOAD, CLIENT_MSG_ID.


cdef class Envelopes:
    # For the messages of `by_payload_type`. `made` is the class of what is read, with a slot for the
    # message and one for its id. Like a codec it raises for whatever is irregular: unknown payload
    # types, unreadable payloads and unknown fields of the envelope among it.
    cdef PyTypeObject *made
    cdef Py_ssize_t message_at, client_msg_id_at
    cdef Shape **shapes
    cdef uint32_t count

    def __cinit__(self, made, by_payload_type):
        cdef Codec codec
        cdef uint32_t number
        self.message_at = offset_of(made, "message")
        self.client_msg_id_at = offset_of(made, "client_msg_id")
        self.count = 1 + max(by_payload_type)
        self.shapes = <Shape **> PyMem_Calloc(self.count, sizeof(Shape *))
        if self.shapes is NULL:
            raise MemoryError
        for payload_type, cls in by_payload_type.items():
            codec = CODECS[cls][0].__self__
            number = payload_type
            self.shapes[number] = codec.shape
        Py_INCREF(made)
        self.made = <PyTypeObject *> made

    def __dealloc__(self):
        PyMem_Free(self.shapes)

    cdef Shape *shape_of(self, uint64_t payload_type) noexcept:
        return self.shapes[payload_type] if payload_type < self.count else NULL

    def read(self, bytes data not None, Py_ssize_t pos, Py_ssize_t end):
        # The message and its id out of the envelope at `data[pos:end]`.
        cdef Input source
        cdef uint64_t payload_type
        cdef Shape *shape
        cdef PyObject *made
        if not 0 <= pos <= end <= len(data):
            raise Irregular
        open_input(&source, data, pos, end)
        if not next_tag(&source) or source.tag != PAYLOAD_TYPE:
            raise Irregular
        if not varint(&source, &payload_type) or not next_tag(&source) or source.tag != PAYLOAD:
            raise Irregular
        shape = self.shape_of(payload_type)
        if shape is NULL:
            raise Irregular
        made = (<Type *> self.made).tp_alloc(self.made, 0)
        if made is NULL:
            raise MemoryError
        cdef char *slots = <char *> made
        whole = (
            read_message(&source, slots + self.message_at, shape)
            and next_tag(&source)
            and optional(&source, CLIENT_MSG_ID, slots + self.client_msg_id_at, read_string, NULL)
            and source.tag == 0
        )
        PyObject_GC_UnTrack(made)  # nothing refers to an envelope that it leads to
        result = <object> made
        Py_DECREF(result)  # it has two owners now
        if not whole:
            give_up()
        return result

    def write(self, uint32_t payload_type, message, client_msg_id):
        # The bytes of an envelope with this message in it.
        cdef Output out
        cdef unsigned char[START] start
        cdef PyObject *id_ = <PyObject *> client_msg_id
        cdef Shape *shape = self.shape_of(payload_type)
        if shape is NULL:
            raise Irregular
        open_output(&out, start)
        try:
            if not (
                write_varint(&out, PAYLOAD_TYPE)
                and write_varint(&out, payload_type)
                and write_varint(&out, PAYLOAD)
                and write_message(&out, <PyObject *> message, shape)
                and (
                    id_ is None_
                    or (write_varint(&out, CLIENT_MSG_ID) and write_string(&out, id_, NULL))
                )
            ):
                give_up()
            return out.data[: out.size]
        finally:
            close_output(&out)
