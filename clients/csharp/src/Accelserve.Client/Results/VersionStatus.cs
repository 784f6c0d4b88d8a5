using Grpc.Core;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>How a version of a model is doing.</summary>
/// <param name="Version">Its number.</param>
/// <param name="State">Where it is in its life.</param>
/// <param name="ErrorCode">OK, or why it is not available.</param>
/// <param name="ErrorMessage">Empty when all is well.</param>
public sealed record VersionStatus(
    long Version, ModelVersionStatus.Types.State State, StatusCode ErrorCode, string ErrorMessage)
{
    /// <summary>Reads the answer of GetModelStatus; the newest version first.</summary>
    internal static IReadOnlyList<VersionStatus> From(GetModelStatusResponse response) =>
        [.. response.ModelVersionStatus.Select(From).OrderByDescending(static status => status.Version)];

    // TensorFlow's error codes are gRPC's.
    private static VersionStatus From(ModelVersionStatus status) => new(
        status.Version,
        status.State,
        (StatusCode)(int)(status.Status?.ErrorCode ?? Tensorflow.Error.Code.Ok),
        status.Status?.ErrorMessage ?? "");
}

/// <summary>What a server says of itself.</summary>
public enum ServerHealth
{
    /// <summary>Nothing yet.</summary>
    Unknown,

    /// <summary>It answers requests.</summary>
    Serving,

    /// <summary>It is starting, draining or broken.</summary>
    NotServing,
}
