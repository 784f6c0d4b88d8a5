using System.Globalization;
using Grpc.Core;

namespace Accelserve.Client;

/// <summary>gRPC's own names of its status codes, which every other language prints.</summary>
internal static class StatusNames
{
    private static readonly string[] _names =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ];

    public static string Of(StatusCode code) =>
        code >= StatusCode.OK && (int)code < _names.Length ? _names[(int)code] : ((int)code).ToString(CultureInfo.InvariantCulture);
}
