using System.Text.RegularExpressions;

namespace Accelserve.Client.Packages;

/// <summary>A block of C# on a page.</summary>
/// <param name="Page">File name of the page.</param>
/// <param name="Line">Of its first line of code, from 1.</param>
/// <param name="Code">As it stands there.</param>
/// <param name="Output">What it prints: the block of text that is the next one of all; <see langword="null"/> if it is no
/// block of text.</param>
internal sealed record Block(string Page, int Line, string Code, string? Output);

/// <summary>A page of the documentation.</summary>
internal sealed partial class Page
{
    private readonly string _path;
    private readonly string _text;

    public Page(string path)
    {
        _path = path;
        _text = File.ReadAllText(path);
    }

    /// <summary>Its blocks of C#, in order.</summary>
    public Block[] Blocks =>
        [.. CSharp().Matches(_text).Select(match => new Block(
            Path.GetFileName(_path),
            _text.AsSpan(0, match.Groups["code"].Index).Count('\n') + 1,
            match.Groups["code"].Value,
            match.Groups["output"] is { Success: true } output ? output.Value : null))];

    /// <summary>Its one block of JSON.</summary>
    public string Json => Assert.Single(JsonBlock().Matches(_text)).Groups["json"].Value;

    /// <summary>The first two columns of the table under a heading.</summary>
    public Dictionary<string, string> TableUnder(string heading)
    {
        var start = _text.IndexOf($"\n### {heading}\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"No heading {heading}.");
        var end = _text.IndexOf("\n#", start + 2, StringComparison.Ordinal);
        return Row().Matches(_text[start..end])
            .ToDictionary(static row => row.Groups["name"].Value, static row => row.Groups["second"].Value);
    }

    [GeneratedRegex(@"^```csharp\n(?<code>.*?)^```\n(?:(?:(?!^```).)*^```text\n(?<output>.*?)^```\n)?", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CSharp();

    [GeneratedRegex(@"^```json\n(?<json>.*?)^```\n", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex JsonBlock();

    [GeneratedRegex(@"^\| `(?<name>\w+)` \| (?<second>.*?) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
