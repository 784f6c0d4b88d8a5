using Grpc.Core;
using Grpc.Health.V1;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>An RPC: its name, and how a stub is asked for it.</summary>
internal sealed record RpcMethod<TRequest, TResponse>(
    string Name, Func<Endpoint, TRequest, CallOptions, AsyncUnaryCall<TResponse>> Start);

/// <summary>The RPCs that the client uses.</summary>
internal static class Methods
{
    public static readonly RpcMethod<PredictRequest, PredictResponse> Predict = new(
        "/tensorflow.serving.PredictionService/Predict",
        static (endpoint, request, options) => endpoint.Predictions.PredictAsync(request, options));

    public static readonly RpcMethod<GetModelMetadataRequest, GetModelMetadataResponse> GetModelMetadata = new(
        "/tensorflow.serving.PredictionService/GetModelMetadata",
        static (endpoint, request, options) => endpoint.Predictions.GetModelMetadataAsync(request, options));

    public static readonly RpcMethod<GetModelStatusRequest, GetModelStatusResponse> GetModelStatus = new(
        "/tensorflow.serving.ModelService/GetModelStatus",
        static (endpoint, request, options) => endpoint.Models.GetModelStatusAsync(request, options));

    public static readonly RpcMethod<ReloadConfigRequest, ReloadConfigResponse> ReloadConfig = new(
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
        static (endpoint, request, options) => endpoint.Models.HandleReloadConfigRequestAsync(request, options));

    public static readonly RpcMethod<HealthCheckRequest, HealthCheckResponse> CheckHealth = new(
        "/grpc.health.v1.Health/Check",
        static (endpoint, request, options) => endpoint.Health.CheckAsync(request, options));

    /// <summary>A status inside an answer that gRPC calls a success.</summary>
    /// <exception cref="CallException">It is none.</exception>
    public static void RequireOk(StatusProto? status, string method, string target)
    {
        if (status is { ErrorCode: not Tensorflow.Error.Code.Ok })
        {
            // TensorFlow's error codes are gRPC's.
            throw new CallFailure
            {
                StatusCode = (StatusCode)(int)status.ErrorCode,
                Details = status.ErrorMessage,
                Method = method,
                Target = target,
            }.ToException();
        }
    }
}

/// <summary>Stands where a derived client has no connection.</summary>
internal sealed class UnusableInvoker : CallInvoker
{
    public static readonly UnusableInvoker Instance = new();

    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => throw Refusal();

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => throw Refusal();

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => throw Refusal();

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options) => throw Refusal();

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options) => throw Refusal();

    private static NotSupportedException Refusal() =>
        new("This client was made without an address: the derived class must override the method.");
}
