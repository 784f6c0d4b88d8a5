namespace Accelserve.Client;

/// <summary>The servers of a client: the next one that serves, in turn.</summary>
internal sealed class EndpointPool : IDisposable
{
    private readonly Endpoint[] _endpoints;
    private int _turn = -1;

    public EndpointPool(IEnumerable<Endpoint> endpoints) => _endpoints = [.. endpoints];

    public IReadOnlyList<Endpoint> All => _endpoints;

    /// <summary>All addresses, for messages.</summary>
    public string Target => string.Join(", ", _endpoints.Select(static endpoint => endpoint.Target));

    /// <summary>A server for the next attempt.</summary>
    /// <param name="failed">Where the attempt before failed; taken again only if no other serves.</param>
    public Endpoint Next(Endpoint? failed)
    {
        if (_endpoints.Length == 1)
        {
            return _endpoints[0];
        }

        var start = (int)((uint)Interlocked.Increment(ref _turn) % (uint)_endpoints.Length);
        return Find(start, endpoint => endpoint.IsServing && endpoint != failed)
            ?? Find(start, static endpoint => endpoint.IsServing)
            // None serves as far as is known: what is known may be old.
            ?? Find(start, endpoint => endpoint != failed)
            ?? _endpoints[start];
    }

    public void Dispose()
    {
        foreach (var endpoint in _endpoints)
        {
            endpoint.Dispose();
        }
    }

    private Endpoint? Find(int start, Func<Endpoint, bool> isWanted)
    {
        for (var i = 0; i < _endpoints.Length; i++)
        {
            var endpoint = _endpoints[(start + i) % _endpoints.Length];
            if (isWanted(endpoint))
            {
                return endpoint;
            }
        }

        return null;
    }
}
