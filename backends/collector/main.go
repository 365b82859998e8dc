// A Collector with the components that the configurations in collector/ name, and no others.
package main

import (
	"log"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/signaltometricsconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/kafkaexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/basicauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/bearertokenauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/headerssetterextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/oidcauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/pprofextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/deltatocumulativeprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/forwardconnector"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	"otel-llm/backends/collector/delayedcommit"
	"otel-llm/backends/collector/flow"
	"otel-llm/backends/collector/fulldisk"
	"otel-llm/backends/collector/inorder"
	"otel-llm/backends/collector/serieslimit"
	"otel-llm/backends/collector/spanlimit"
	"otel-llm/backends/collector/spanseries"
	"otel-llm/backends/collector/startlast"
	"otel-llm/backends/collector/tenantlimit"
)

const version = "0.155.0"

func byType[F component.Factory](factories ...F) map[component.Type]F {
	found, err := otelcol.MakeFactoryMap(factories...)
	if err != nil {
		log.Fatal(err)
	}
	return found
}

func components() (otelcol.Factories, error) {
	// The receiver of Kafka's records commits them only while what is behind it moves, and what is held back there is given
	// up when the receivers end.
	moves := flow.New()
	return otelcol.Factories{
		Receivers: byType[receiver.Factory](
			startlast.Wrap(otlpreceiver.NewFactory(), moves.End),
			kafkareceiver.NewFactory(),
			delayedcommit.NewFactory(moves),
		),
		Processors: byType[processor.Factory](
			attributesprocessor.NewFactory(),
			batchprocessor.NewFactory(),
			deltatocumulativeprocessor.NewFactory(),
			filterprocessor.NewFactory(),
			memorylimiterprocessor.NewFactory(),
			probabilisticsamplerprocessor.NewFactory(),
			redactionprocessor.NewFactory(),
			resourceprocessor.NewFactory(),
			serieslimit.NewFactory(),
			spanlimit.NewFactory(),
			tailsamplingprocessor.NewFactory(),
			tenantlimit.NewFactory(),
			transformprocessor.NewFactory(),
		),
		Exporters: byType[exporter.Factory](
			debugexporter.NewFactory(),
			fileexporter.NewFactory(),
			kafkaexporter.NewFactory(),
			otlpexporter.NewFactory(),
			otlphttpexporter.NewFactory(),
			prometheusexporter.NewFactory(),
		),
		Connectors: byType[connector.Factory](
			moves.Watch(forwardconnector.NewFactory()),
			inorder.NewFactory(),
			signaltometricsconnector.NewFactory(),
			spanmetricsconnector.NewFactory(),
			spanseries.NewFactory(),
		),
		Extensions: byType[extension.Factory](
			basicauthextension.NewFactory(),
			bearertokenauthextension.NewFactory(),
			fulldisk.Wrap(filestorage.NewFactory(), moves.Ended()),
			headerssetterextension.NewFactory(),
			healthcheckextension.NewFactory(),
			oidcauthextension.NewFactory(),
			pprofextension.NewFactory(),
		),
		Telemetry: otelconftelemetry.NewFactory(),
	}, nil
}

func main() {
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "otelcol", Description: "Collector of otel-llm", Version: version},
		Factories: components,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			ProviderFactories: []confmap.ProviderFactory{
				envprovider.NewFactory(), fileprovider.NewFactory(), yamlprovider.NewFactory(),
			},
			DefaultScheme: "env",
		}},
	})
	if err := command.Execute(); err != nil {
		log.Fatal(err)
	}
}
