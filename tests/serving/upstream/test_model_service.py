"""`get_model_metadata_impl_test.cc` and `get_model_status_impl_test.cc` of TensorFlow Serving."""

import pytest
from model_server import HANGS, spec
from servable_calls import refused
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from serving.server.errors import Code

pytestmark = pytest.mark.long

INVALID = Code.INVALID_ARGUMENT
TWO_VERSIONS = "saved_model_half_plus_two_2_versions"


class TestGetModelMetadata:
    @pytest.fixture
    def ask(self, server):
        def ask(spec, *fields):
            request = get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=spec, metadata_field=fields
            )
            return server.predictions.GetModelMetadata(request, HANGS)

        return ask

    def test_EmptyOrInvalidMetadataFieldList(self, ask):
        for fields in ((), ("some_stuff",)):
            with refused(INVALID):
                ask(None, *fields)
            with refused(INVALID):
                ask(spec("default"), *fields)

    def test_MissingOrEmptyModelSpec(self, ask):
        for missing in (None, spec("")):
            with refused(INVALID):
                ask(missing, "signature_def")
        with refused(Code.NOT_FOUND):
            ask(spec("test"), "signature_def")

    def test_ReturnsSignaturesForValidModel(self, ask, load):
        asked = spec("half_plus_two", version=123)
        response = ask(asked, "signature_def")
        assert response.model_spec == asked
        assert set(response.metadata) == {"signature_def"}
        received = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(received)
        assert dict(received.signature_def) == load("half_plus_two").signatures


class TestGetModelStatus:
    @pytest.fixture
    def ask(self, server):
        def ask(spec):
            request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
            return server.models.GetModelStatus(request, HANGS).model_version_status

        return ask

    def test_MissingOrEmptyModelSpecFailure(self, ask):
        with refused(INVALID):
            ask(None)

    def test_InvalidModelNameFailure(self, ask):
        with refused(Code.NOT_FOUND):
            ask(spec("nonexistent_model"))

    def test_InvalidModelVersionFailure(self, ask):
        with refused(Code.NOT_FOUND):
            ask(spec(TWO_VERSIONS, version=125))

    @pytest.mark.parametrize(
        ("version", "found"),
        [
            pytest.param({}, {123, 124}, id="AllVersionsSuccess"),
            pytest.param({"version": 123}, {123}, id="SingleVersionSuccess"),
        ],
    )
    def test_success(self, ask, version, found):
        answered = ask(spec(TWO_VERSIONS, **version))
        assert {one.version for one in answered} == found
        assert {(one.status.error_code, one.status.error_message) for one in answered} == {(0, "")}
